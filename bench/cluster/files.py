"""What the cluster test writes for its machines: settings, and cluster-ssh.yaml with their addresses."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

FOLDER = "/etc/rayproctor"


def with_addresses(
    cluster: Mapping[str, Any], head: str, workers: Sequence[str], key: str
) -> dict[str, Any]:
    """cluster-ssh.yaml for other machines; nothing else of it is changed.

    Args:
        cluster: The file as read.
        head: Address of the head.
        workers: Addresses of the others.
        key: Path of the private key for ssh.
    """
    made: dict[str, Any] = copy.deepcopy(dict(cluster))
    made["provider"] |= {"head_ip": head, "worker_ips": list(workers)}
    made["auth"]["ssh_private_key"] = key
    made["min_workers"] = made["max_workers"] = len(workers)
    return made


def as_lines(environment: Mapping[str, str]) -> str:
    """NAME='value' lines that a shell reads back as they were.

    Raises:
        ValueError: A value cannot stand between single quotes on one line.
    """
    for name, value in environment.items():
        if "'" in value or "\n" in value:
            raise ValueError(f"{name} cannot be written to an env file")
    return "".join(f"{name}='{value}'\n" for name, value in environment.items())


def settings_of(
    database: str, redis: str, store: str, models: str, node_offers: str
) -> dict[str, str]:
    """The content of proctor.env: every store by its address, keys in the copied folder.

    Args:
        database: URL of PostgreSQL.
        redis: URL of Redis.
        store: Address of an S3 store without TLS, as `http://host:port`.
        models: Folder of the model files on every machine.
        node_offers: Arguments of `ray start` that say what a worker offers.
    """
    return {
        "PROCTOR_DATABASE_URL": database,
        "PROCTOR_REDIS_URL": redis,
        "PROCTOR_FACES_URI": "s3://proctor/faces",
        "PROCTOR_RECORDINGS_URL": "s3+http://proctor/recordings",
        "PROCTOR_EVIDENCE_URL": "s3+http://proctor/evidence",
        "PROCTOR_CHECKPOINTS_URL": "s3+http://proctor/checkpoints",
        "PROCTOR_KEY_FILE": f"{FOLDER}/keys.json",
        "PROCTOR_PROOF_KEY": f"{FOLDER}/proof-key.pem",
        "PROCTOR_TOKEN_KEYS": f"{FOLDER}/tokens",
        "PROCTOR_MODELS_DIR": models,
        "PROCTOR_HOME": "/srv/rayproctor",
        "PROCTOR_TLS_PROXY": "cluster-test",
        "PROCTOR_WEBRTC__UDP_PORT_MIN": "20000",
        "PROCTOR_WEBRTC__UDP_PORT_MAX": "20999",
        "PROCTOR_HOSTS": "2",
        "PROCTOR_SHARDS": "2",
        "AWS_ACCESS_KEY_ID": "moto",
        "AWS_SECRET_ACCESS_KEY": "moto",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": store,
        "AWS_ENDPOINT": store,
        "AWS_ALLOW_HTTP": "true",
        "RAYPROCTOR_NODE_OFFERS": node_offers,
    }
