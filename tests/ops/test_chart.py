"""The chart as a platform engineer meets it: rendered by helm, valid, and clear about a wrong value."""

import json
from typing import Any

import kubernetes_validate
import pytest
import yaml
from ray.autoscaler._private.kuberay.autoscaling_config import (
    _derive_autoscaling_config_from_ray_cr as autoscaling_of,
)
from ray.autoscaler._private.util import validate_config
from ray.serve.schema import ServeDeploySchema

from proctor.settings import Settings
from tests.ops.chart import CHART, NEEDED, ROOT, groups, helm, refusal, rendered, the

OLDEST, NEWEST = "1.28", "1.36"

SITES: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "behind TURN": {
        "media": {"reach": "turn", "turn": {"urls": ["turn:turn.example.org:3478?transport=udp"]}}
    },
    "without GPUs": {"models": {"gpu": False, "tolerations": []}},
    "everything on": {
        "ingress": {"enabled": True, "host": "exams.example.org", "tlsSecret": "exams-tls"},
        "monitoring": {"podMonitor": True},
        "tls": {"enabled": True},
        "image": {"pullSecrets": ["registry"]},
        "keys": {
            "ring": "vault://vault.example.org:8200/transit/exams",
            "ringToken": "vault",
            "trusted": "issuers",
        },
        "models": {"weights": {"existingClaim": "weights"}},
        "media": {"advertisedAddress": "192.0.2.7"},
        "settings": {"PROCTOR_PACK": "permissive"},
    },
    "least": {
        "faultTolerance": {"enabled": False, "redisAddress": ""},
        "networkPolicy": {"enabled": False},
        "disruption": {"protectHead": False},
        "migrate": {"enabled": False},
    },
}


@pytest.fixture(params=SITES)
def site(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return rendered(SITES[request.param])


def test_helm_lint_finds_nothing() -> None:
    done = helm("lint", "--strict", values=NEEDED)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_everything_of_kubernetes_itself_is_valid(site: list[dict[str, Any]], version: str) -> None:
    ours = [each for each in site if "ray.io" not in each["apiVersion"]]
    ours = [each for each in ours if "coreos.com" not in each["apiVersion"]]
    service = the("RayService", site)
    pods = [{"apiVersion": "v1", "kind": "Pod", **pod} for pod in groups(service).values()]
    assert ours
    assert len(pods) == 3
    for each in [*ours, *pods]:
        kubernetes_validate.validate(each, version, strict=True)


def test_ray_itself_reads_the_cluster(site: list[dict[str, Any]]) -> None:
    """Ray's autoscaler derives its own configuration from what KubeRay gets."""
    cluster = the("RayService", site)["spec"]["rayClusterConfig"]
    found = autoscaling_of({"metadata": {"name": "exams", "namespace": "exams"}, "spec": cluster})
    validate_config(found)
    types = found["available_node_types"]
    assert types["headgroup"]["resources"]["CPU"] == 0, "nothing of ours on the head"
    assert types["media"]["resources"]["proctor_media"] == 16
    assert types["media"]["min_workers"] == 2


def test_serve_itself_reads_its_configuration(site: list[dict[str, Any]]) -> None:
    text = the("RayService", site)["spec"]["serveConfigV2"]
    ServeDeploySchema.model_validate(yaml.safe_load(text))


def test_the_chart_carries_the_repositorys_serve_config() -> None:
    assert (CHART / "files/serve_config.yaml").read_text() == (
        ROOT / "serve_config.yaml"
    ).read_text(), "run `make chart`"


def test_without_gpus_no_replica_waits_for_one() -> None:
    found = rendered(SITES["without GPUs"])
    service = the("RayService", found)
    assert "num_gpus" not in service["spec"]["serveConfigV2"]
    assert "cuda" not in service["spec"]["serveConfigV2"]
    assert "nvidia.com/gpu" not in json.dumps(found)


def test_replicas_are_changed_by_name() -> None:
    more = {"perception-face": {"autoscaling_config": {"max_replicas": 99}}}
    text = the("RayService", rendered({"serve": {"deployments": more}}))["spec"]["serveConfigV2"]
    (face,) = [
        deployment
        for application in yaml.safe_load(text)["applications"]
        for deployment in application["deployments"]
        if deployment["name"] == "perception-face"
    ]
    assert face["autoscaling_config"]["max_replicas"] == 99
    assert face["autoscaling_config"]["min_replicas"] == 2, "the rest stays"


def test_every_container_is_bounded_and_unprivileged(site: list[dict[str, Any]]) -> None:
    pods = list(groups(the("RayService", site)).values())
    pods += [each["spec"]["template"] for each in site if each["kind"] == "Job"]
    for pod in pods:
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        for container in [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert set(container["resources"]["limits"]) >= {"cpu", "memory"}


def test_no_secret_is_in_the_chart(site: list[dict[str, Any]]) -> None:
    assert not [each for each in site if each["kind"] == "Secret"]
    for pod in groups(the("RayService", site)).values():
        (ray,) = pod["spec"]["containers"]
        secret = {"PROCTOR_DATABASE_URL", "PROCTOR_REDIS_URL", "PROCTOR_WEBRTC__TURN_SECRET"}
        for variable in ray["env"]:
            if variable["name"] in secret:
                assert "secretKeyRef" in variable["valueFrom"]


def test_the_settings_are_settings(
    site: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the pods are told is what the product understands, to the last name."""
    for pod in groups(the("RayService", site)).values():
        (ray,) = pod["spec"]["containers"]
        told = {each["name"]: each.get("value", "192.0.2.1") for each in ray["env"]}
        ours = {name: value for name, value in told.items() if name.startswith("PROCTOR_")}
        known = {f"PROCTOR_{name.upper()}" for name in Settings.model_fields}
        assert {name.split("__")[0] for name in ours} <= known
        with monkeypatch.context() as patched:
            for name, value in ours.items():
                patched.setenv(name, value)
            read = Settings()
        assert read.host == "0.0.0.0"
        assert read.tls_proxy


@pytest.mark.parametrize(
    ("values", "named"),
    [
        (NEEDED | {"media": {"slot": 3}}, "slot"),
        (NEEDED | {"media": {"reach": "magic"}}, "reach"),
        (NEEDED | {"media": {"replicas": {"max": "six"}}}, "max"),
        (NEEDED | {"models": {"gpu": "yes"}}, "gpu"),
        (NEEDED | {"models": {"resources": {"cpu": "8", "memory": "16 GB"}}}, "memory"),
        (NEEDED | {"storage": {"faces": "/srv/faces"}}, "faces"),
        (NEEDED | {"settings": {"DATABASE": "x"}}, "settings"),
        (NEEDED | {"password": "x"}, "password"),
        (NEEDED | {"serve": {"deployments": {"perception-nose": {}}}}, "perception-nose"),
        (NEEDED | {"serve": {"upgrade": "Quick"}}, "upgrade"),
        (NEEDED | {"tls": {"secret": "x"}}, "secret"),
        (NEEDED | {"keys": {"ring": "vault+https://a.example.org/t/k"}}, "ring"),
        (NEEDED | {"networkPolicy": {"nodes": []}}, "networkPolicy.nodes"),
        (NEEDED | {"networkPolicy": {"nodes": ["nodes"]}}, "nodes"),
        (NEEDED | {"media": {"reach": "turn"}}, "media.turn.urls"),
        (NEEDED | {"ingress": {"enabled": True, "host": "a.example.org"}}, "ingress.tlsSecret"),
        (NEEDED | {"ingress": {"enabled": True, "tlsSecret": "tls"}}, "ingress.host"),
        ({"storage": NEEDED["storage"]}, "faultTolerance.redisAddress"),
        ({"faultTolerance": NEEDED["faultTolerance"]}, "storage.faces"),
    ],
)
def test_a_wrong_value_is_refused_by_name(values: dict[str, Any], named: str) -> None:
    assert named in refusal(values)


def test_session_hosts_on_the_nodes_network_reach_the_head() -> None:
    """They come from a node's address: a selector of pods does not match them."""
    (first, *_) = the("NetworkPolicy", rendered({}))["spec"]["ingress"]
    assert {"ipBlock": {"cidr": "10.0.0.0/16"}} in first["from"]
    behind = SITES["behind TURN"] | {"networkPolicy": {"nodes": []}}
    (first, *_) = the("NetworkPolicy", rendered(behind))["spec"]["ingress"]
    assert [list(each) for each in first["from"]] == [["podSelector"]]


def test_only_the_autoscaler_may_speak_to_kubernetes(site: list[dict[str, Any]]) -> None:
    for name, pod in groups(the("RayService", site)).items():
        given = pod["spec"].get("automountServiceAccountToken", True)
        assert given is (name == "head"), name


def test_the_object_store_fits_its_memory(site: list[dict[str, Any]]) -> None:
    """Else Ray lays it onto the disk behind /tmp."""
    cluster = the("RayService", site)["spec"]["rayClusterConfig"]
    for group in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]:
        volumes = {each["name"]: each for each in group["template"]["spec"]["volumes"]}
        assert volumes["shm"]["emptyDir"]["sizeLimit"] == "2Gi"
        assert int(group["rayStartParams"]["object-store-memory"]) < 0.95 * (2 << 30)


def test_nodes_speak_tls_where_that_is_asked_for() -> None:
    with_tls = the("RayService", rendered(SITES["everything on"]))["spec"]["rayClusterConfig"]
    assert with_tls["tlsOptions"] == {"enabled": True}
    assert "tlsOptions" not in the("RayService", rendered({}))["spec"]["rayClusterConfig"]
