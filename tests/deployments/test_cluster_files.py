"""The two files for a cluster are what Ray's own schemas accept, and fit what the code builds."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, SecretStr
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.serve._private.utils import override_runtime_envs_except_env_vars
from ray.serve.config import AutoscalingConfig
from ray.serve.schema import DeploymentSchema, ServeApplicationSchema, ServeDeploySchema

from deployments.app import Split, deployment_of_groups
from deployments.gpus import fits
from deployments.grpc_door import GRPC_ENVIRONMENT, grpc_options
from deployments.nodes import require_shared_stores
from deployments.scaling import Bounds, scaling_of
from deployments.serve_file import without_gpus
from deployments.yard import MEDIA_RESOURCE
from models.selection import select
from proctor.domain.errors import InvalidInput
from proctor.settings import Settings

CLUSTERS = ("cluster.yaml", "cluster-ssh.yaml")
ROOT = Path(__file__).resolve().parent.parent.parent


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / name).read_text())
    return found


def starting(cluster: dict[str, Any]) -> list[str]:
    """The commands that start Ray: the head's and the workers'."""
    both = ("head_start_ray_commands", "worker_start_ray_commands")
    return [one for name in both for one in cluster[name] if "ray start" in one]


def unknown_fields(given: dict[str, Any], schema: type[BaseModel]) -> set[str]:
    """Serve's schemas ignore what they do not know; a typo must not pass."""
    return set(given) - set(schema.model_fields)


def test_serve_accepts_its_configuration_and_knows_every_field() -> None:
    config = read("serve_config.yaml")
    ServeDeploySchema.model_validate(config)
    assert unknown_fields(config, ServeDeploySchema) == set()
    for application in config["applications"]:
        assert unknown_fields(application, ServeApplicationSchema) == set()
        for deployment in application["deployments"]:
            assert unknown_fields(deployment, DeploymentSchema) == set()


def test_the_grpc_door_is_the_one_that_we_bind() -> None:
    told = read("serve_config.yaml")["grpc_options"]
    assert told == grpc_options(Settings(grpc_port=told["port"]))
    for file in CLUSTERS:
        for command in starting(read(file)):
            words = set(command.split())
            assert {f"{name}={value}" for name, value in GRPC_ENVIRONMENT.items()} <= words


def test_a_typo_in_a_field_would_be_caught() -> None:
    assert unknown_fields({"max_ongoing_request": 1}, DeploymentSchema) == {"max_ongoing_request"}


def test_the_configuration_names_what_the_builders_build() -> None:
    applications = {one["name"]: one for one in read("serve_config.yaml")["applications"]}
    assert set(applications) == {"proctor", "live", "dispatcher", "reconciler"}
    for name, application in applications.items():
        module, _, builder = application["import_path"].partition(":")
        split = Split(**application["args"])
        getattr(importlib.import_module(module), builder)(split)
        expected = {"gateway" if name == "proctor" else name}
        if name == "proctor":
            expected |= set(deployment_of_groups(split).values())
        assert {one["name"] for one in application["deployments"]} == expected


def test_the_choice_of_models_that_the_comments_show_is_one_that_serve_takes() -> None:
    """Uncommented, one pack for the application, and another model for one deployment."""
    text = (ROOT / "serve_config.yaml").read_text()
    text = text.replace("# env_vars:", "env_vars:")
    shown = re.compile(r"^( +)ray_actor_options: .*\n +# (ray_actor_options: .*)$", re.MULTILINE)
    config = yaml.safe_load(shown.sub(r"\1\2", text))
    ServeDeploySchema.model_validate(config)
    (application,) = [one for one in config["applications"] if one["name"] == "proctor"]
    (face,) = [one for one in application["deployments"] if one["name"] == "perception-face"]
    everywhere = application["runtime_env"]
    assert everywhere["working_dir"], "what is said for one deployment comes on top"
    merged = override_runtime_envs_except_env_vars(
        everywhere, face["ray_actor_options"]["runtime_env"]
    )
    assert merged["working_dir"] == everywhere["working_dir"]
    settings = {name.removeprefix("PROCTOR_"): value for name, value in merged["env_vars"].items()}
    chosen = select(settings["PACK"], {"face_detection": settings["MODELS__FACE_DETECTION"]}).chosen
    assert chosen["face_detection"] == "retinaface"
    assert chosen["head_pose"] == "fsanet", "the rest is the pack's"


def test_every_deployment_states_its_cpus_and_no_request_times_out() -> None:
    config = read("serve_config.yaml")
    assert "request_timeout_s" not in config["http_options"]
    for application in config["applications"]:
        for deployment in application["deployments"]:
            assert deployment["ray_actor_options"]["num_cpus"] > 0


def test_every_model_group_follows_its_load_within_seconds() -> None:
    """Serve's own windows (30 s) are longer than a whole exam needs to begin."""
    (application,) = [
        one for one in read("serve_config.yaml")["applications"] if one["name"] == "proctor"
    ]
    groups = [one for one in application["deployments"] if one["name"].startswith("perception-")]
    assert len(groups) == len(application["args"]["groups"])
    for deployment in groups:
        given = deployment["autoscaling_config"]
        config = AutoscalingConfig(**given)
        assert config.policy.get_policy().__name__ == "follow_load"
        assert set(given) == set(scaling_of(Bounds(0, 1)))
        assert config.look_back_period_s + config.metrics_interval_s + config.upscale_delay_s <= 5


def test_the_gpu_shares_of_the_groups_fit_on_the_nodes_for_models() -> None:
    nodes = read("cluster.yaml")["available_node_types"]["models"]
    gpus = nodes["resources"]["GPU"]
    for bound, count in (
        ("min_replicas", nodes["min_workers"]),
        ("max_replicas", nodes["max_workers"]),
    ):
        slots = 0.0
        for application in read("serve_config.yaml")["applications"]:
            for deployment in application["deployments"]:
                share = deployment["ray_actor_options"].get("num_gpus", 0.0)
                slots += share * deployment.get("autoscaling_config", {}).get(bound, 1)
                assert fits(share, 1, gpus)
        assert 0 < slots <= count * gpus


def test_ray_s_cluster_schema_accepts_the_cluster() -> None:
    config = read("cluster.yaml")
    validate_config(config | {"cluster_synced_files": []})
    nodes = config["available_node_types"]
    assert nodes[config["head_node_type"]]["resources"] == {"CPU": 0}
    assert [name for name, node in nodes.items() if MEDIA_RESOURCE in node["resources"]] == [
        "media"
    ]


@pytest.mark.parametrize("file", CLUSTERS)
def test_every_ray_is_started_with_the_token_and_nothing_left_to_chance(file: str) -> None:
    config = read(file)
    head, worker = starting(config)
    for command in (head, worker):
        assert "RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=/etc/rayproctor/ray.token" in command
        assert "RAY_USAGE_STATS_ENABLED=0" in command
        assert command.startswith("cd / &&"), "workers import code from where Ray was started"
    assert "RAY_enable_autoscaler_v2=0" in head, "version 2 counts the head among the workers"
    assert "--num-cpus=0" in head
    assert "--dashboard-host=127.0.0.1" in head


def test_the_machines_that_are_reached_by_ssh_are_what_ray_accepts() -> None:
    config = read("cluster-ssh.yaml")
    validate_config(prepare_config(config) | {"cluster_synced_files": []})
    assert config["min_workers"] == config["max_workers"] == len(config["provider"]["worker_ips"])
    assert f'"{MEDIA_RESOURCE}"' in starting(config)[1]
    assert "/usr/local/bin" in config["setup_commands"][-1], "`ray down` calls a bare `ray stop`"


def test_only_nodes_that_remember_nobody_may_be_taken_away() -> None:
    nodes = read("cluster.yaml")["available_node_types"]
    spot = {name for name, one in nodes.items() if "InstanceMarketOptions" in one["node_config"]}
    assert spot == {"models"}


def test_the_media_ports_of_the_hosts_are_the_ones_that_are_open_to_the_world() -> None:
    config = read("cluster.yaml")
    open_to_all = [
        (rule["IpProtocol"], rule["FromPort"], rule["ToPort"])
        for rule in config["provider"]["security_group"]["IpPermissions"]
        if {"CidrIp": "0.0.0.0/0"} in rule["IpRanges"]
    ]
    assert open_to_all == [("udp", 20000, 29999)]
    words = starting(config)[1].split()
    assert {"PROCTOR_WEBRTC__UDP_PORT_MIN=20000", "PROCTOR_WEBRTC__UDP_PORT_MAX=29999"} <= set(
        words
    )


def test_a_cluster_without_gpus_gets_the_same_page_less_what_needs_one() -> None:
    config = read("serve_config.yaml")
    made = without_gpus(config)
    ServeDeploySchema.model_validate(made)
    text = yaml.safe_dump(made)
    assert "num_gpus" not in text
    assert "cuda" not in text
    assert config == read("serve_config.yaml"), "what was given is left as it was"
    names = [[one["name"] for one in app["deployments"]] for app in made["applications"]]
    assert names == [[one["name"] for one in app["deployments"]] for app in config["applications"]]


def test_several_nodes_refuse_stores_of_one_machine(tmp_path: Path) -> None:
    local = Settings(home=tmp_path)
    require_shared_stores(local, 1)
    with pytest.raises(InvalidInput, match="PROCTOR_DATABASE_URL"):
        require_shared_stores(local, 2)
    shared = Settings(home=tmp_path, database_url="postgresql://db/proctor")
    with pytest.raises(InvalidInput, match="PROCTOR_FACES_URI"):
        require_shared_stores(shared, 2)
    shared = shared.model_copy(update={"faces_uri": "s3://faces"})
    with pytest.raises(InvalidInput, match="PROCTOR_RECORDINGS_URL"):
        require_shared_stores(shared, 2)
    shared = shared.model_copy(update={"recordings_url": "s3://recordings"})
    with pytest.raises(InvalidInput, match="PROCTOR_EVIDENCE_URL"):
        require_shared_stores(shared, 2)
    shared = shared.model_copy(update={"evidence_url": "s3://evidence"})
    with pytest.raises(InvalidInput, match="PROCTOR_CHECKPOINTS_URL"):
        require_shared_stores(shared, 2)
    shared = shared.model_copy(update={"checkpoints_url": "s3://proof"})
    with pytest.raises(InvalidInput, match="PROCTOR_REDIS_URL"):
        require_shared_stores(shared, 2)
    require_shared_stores(shared.model_copy(update={"redis_url": SecretStr("redis://db")}), 2)
