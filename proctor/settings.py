"""Every setting of the product in one place. Read by composition roots only; below, values are passed.

Environment: PROCTOR_<NAME>, nested with two underscores (PROCTOR_WEBRTC__BIND_ADDRESS), or a `.env`.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from proctor.alerting.addresses import Allowed
from proctor.domain.errors import InvalidInput

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class WebRtcSettings(BaseModel):
    """How candidates' media reach a session host.

    Attributes:
        bind_address: Local address for UDP; 127.0.0.1 unless said otherwise.
        advertised_address: Address written into candidates (1:1, port-preserving NAT); None: as bound.
        udp_port_min: First UDP port that may be bound; 0 lets the system choose.
        udp_port_max: Last UDP port.
        stun_urls: STUN servers told to the candidate's page.
        turn_urls: TURN servers told to the candidate's page.
        turn_secret: Shared secret for short-lived TURN credentials (RFC-draft TURN REST, coturn).
        turn_ttl_s: Life of such a credential.
        host_gathers: Whether session hosts ask these servers for candidates too, not only the page.
        audio_ptime_ms: Opus packet time asked of the client.
        video_max_kbps: Video bit rate asked of the client.
        video_fps: Pictures a second asked of the client while nothing is going on; a host that is pressed
            asks for fewer, a policy that looks closer more often for more (docs/placement.md).
    """

    model_config = ConfigDict(extra="forbid")

    bind_address: str = "127.0.0.1"
    advertised_address: str | None = None
    udp_port_min: int = Field(default=0, ge=0, le=65535)
    udp_port_max: int = Field(default=0, ge=0, le=65535)
    stun_urls: list[str] = []
    turn_urls: list[str] = []
    turn_secret: SecretStr | None = None
    turn_ttl_s: int = Field(default=3600, ge=60, le=86400)
    host_gathers: bool = False
    audio_ptime_ms: Literal[20, 40, 60] = 60
    video_max_kbps: int = Field(default=250, ge=50, le=4000)
    video_fps: int = Field(default=5, ge=2, le=10)


class KafkaCluster(BaseModel):
    """A Kafka cluster that tenants may name as a sink; they never give an address themselves.

    Attributes:
        bootstrap: `host:port`, several separated by commas.
        topic: Must hold `{tenant}`, unless one tenant alone may use the cluster.
        options: Of librdkafka, TLS and SASL among them.
        tenants: Who may use it; none named: everybody.
    """

    model_config = ConfigDict(extra="forbid")

    bootstrap: str = Field(min_length=1)
    topic: str = "rayproctor.{tenant}.alerts"
    options: dict[str, SecretStr] = {}
    tenants: list[str] = []

    @model_validator(mode="after")
    def _keeps_tenants_apart(self) -> "KafkaCluster":
        if "{tenant}" not in self.topic and len(self.tenants) != 1:
            raise ValueError("topic must hold {tenant}, so that tenants never mix")
        return self


class Settings(BaseSettings):
    """RayProctor's settings.

    Attributes:
        home: Folder for everything the product keeps (database, templates, keys, logs).
        host: Address of the HTTP door.
        port: Port of the HTTP door.
        grpc_port: Port of the gRPC door at the same address, `off` for none; default: the one after `port`
            on this machine's own address or with a certificate, else none.
        tls_certificate: Certificate for any address but 127.0.0.1.
        tls_key: Its key.
        tls_proxy: Name of a TLS proxy in front, as an alternative.
        database_url: SQLAlchemy async URL; default SQLite in `home`.
        redis_url: Default: a private redis-server started by the launcher.
        faces_uri: LanceDB URI; default a folder in `home`.
        recordings_url: Where recordings of sessions are kept (`file:///folder`, `s3://bucket/folder`,
            gs, az); default a folder in `home`. Credentials come from the store's variables (AWS_*).
        evidence_url: Where sealed pictures and clips that show incidents are kept, like `recordings_url`;
            default a folder in `home`.
        evidence_spool: Folder of this machine where they wait, sealed, while that store is away; default a
            folder in `home`.
        evidence_spool_mb: How many MB of them one session host may have waiting; then the least urgent
            gives way and is told as lost (docs/evidence.md).
        key_file: Key ring, 0600; made on first start.
        key_ring: What wraps every key: `file` (the key file), `vault://host:port/mount/key` (HashiCorp
            Vault's transit engine; `vault+http://` without TLS) or `awskms:///alias/name` (or an ARN).
        key_ring_token: File that holds the vault's token; read again at each call.
        checkpoints_url: Where signed checkpoints and tombstones are kept, away from the database
            (URLs as for recordings); default a folder in `home`.
        proof_key: Ed25519 key that signs checkpoints and exports, 0600; made on first start.
        token_keys: Folder with the issuer's signing key and accepted public keys.
        token_issuer: `iss` of our own tokens.
        token_audience: `aud` that is accepted.
        models_dir: Where verified model files are kept.
        models_mirror: Folder or URL that is asked first for model files.
        pack: Which pack of models does the work (`proctor models list`).
        models: Another model than the pack's for single tasks, `off` for none
            (PROCTOR_MODELS__FACE_DETECTION=yunet).
        device: What runs the ONNX networks; a GPU that is missing or fails is told as coverage
            `degraded(gpu)`, and the CPU goes on.
        triton_url: `host:port` of a Triton server that runs them instead (`grpcs://host:port` with TLS).
        policies_dir: Folder of policy presets.
        web_dir: Folder of the built pages (`make web`).
        public_url: Where people reach the HTTP door (`https://exams.example`), for links that are
            handed out; default: as the request that asks for the link was addressed.
        perception_threads: Cores that one perception replica may use at a time.
        perception_replicas_max: Most perception replicas on one machine; more than 1 follow the load.
        gpu_shares: Share of a GPU that each replica of a model group takes (PROCTOR_GPU_SHARES__FACE=0.5):
            above 0 and up to 1, or whole. Without one a replica sees every GPU and Ray counts none.
        sessions_per_host: How many sessions one host actor may hold; 1 for one process each.
        hosts: How many session hosts to keep warm.
        hosts_max: Most session hosts when `sessions_per_host` is 1 and they are made on demand.
        shards: How many fusion shards.
        tick_ms: How often a host reports.
        evidence_memory_mb: Memory that a host may use for each session whose policy keeps evidence: half
            for judged pictures, half for received media. Too little shortens what can be shown.
        webrtc: Media settings.
        allowed_origins: Origins that may open WebSockets; default the product's own pages.
        webhook_allow: Networks and ports, beyond the public internet's 443 and 8443, that tenants'
            webhooks may reach (`["10.1.2.0/24:8443"]`); plain http is taken there alone.
        webhook_ca: Certificates in PEM that webhooks may have besides those the system trusts.
        kafka_clusters: Kafka clusters by the name that tenants use
            (`{"main": {"bootstrap": "kafka:9092"}}`).
        log_level: Level of the JSON logs.
        otlp_endpoint: Where traces go by OTLP over HTTP, such as `http://127.0.0.1:4318`; default: nowhere,
            and nothing is traced (docs/watching.md).
        otlp_ratio: Share of offers and of calls to the models that are traced; alerts always are.
    """

    model_config = SettingsConfigDict(
        env_prefix="PROCTOR_",
        env_nested_delimiter="__",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
    )

    home: Path = Path("~/.rayproctor")
    host: str = "127.0.0.1"
    port: int = Field(default=8800, ge=0, le=65535)
    grpc_port: Annotated[int, Field(ge=0, le=65535)] | Literal["off"] | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_proxy: str | None = None
    database_url: str | None = None
    redis_url: SecretStr | None = None
    faces_uri: str | None = None
    recordings_url: str | None = None
    evidence_url: str | None = None
    evidence_spool: Path | None = None
    evidence_spool_mb: int = Field(default=1024, ge=1, le=1_000_000)
    key_file: Path | None = None
    key_ring: str = "file"
    key_ring_token: Path | None = None
    checkpoints_url: str | None = None
    proof_key: Path | None = None
    token_keys: Path | None = None
    token_issuer: str = "rayproctor"
    token_audience: str = "rayproctor"
    models_dir: Path | None = None
    models_mirror: str | None = None
    pack: str = "embedded"
    models: dict[str, str] = {}
    device: Literal["cpu", "cuda", "tensorrt"] = "cpu"
    triton_url: str | None = Field(default=None, pattern=r"^(grpcs://)?[^/\s:]+:\d{1,5}$")
    policies_dir: Path = Path(__file__).resolve().parent.parent / "policies"
    web_dir: Path = Path(__file__).resolve().parent.parent / "web" / "dist"
    public_url: str | None = Field(default=None, pattern=r"^https?://[^/\s#?]+$")
    sessions_per_host: int = Field(default=50, ge=1, le=50)
    perception_threads: int = Field(default=2, ge=1, le=64)
    perception_replicas_max: int = Field(default=1, ge=1, le=64)
    gpu_shares: dict[str, float] = {}
    hosts: int = Field(default=2, ge=1, le=1000)
    hosts_max: int = Field(default=50, ge=1, le=1000)
    shards: int = Field(default=1, ge=1, le=1000)
    tick_ms: int = Field(default=200, ge=50, le=1000)
    evidence_memory_mb: int = Field(default=6, ge=1, le=100)
    webrtc: WebRtcSettings = WebRtcSettings()
    allowed_origins: list[str] = []
    webhook_allow: list[str] = []
    webhook_ca: Path | None = None
    kafka_clusters: dict[str, KafkaCluster] = {}
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    otlp_endpoint: str | None = Field(default=None, pattern=r"^https?://[^@\s]+$")
    otlp_ratio: float = Field(default=0.01, ge=0, le=1)

    @field_validator("webhook_allow")
    @classmethod
    def _can_be_read(cls, entries: list[str]) -> list[str]:
        for entry in entries:
            try:
                Allowed.parse(entry)
            except InvalidInput as error:
                raise ValueError(error.detail) from None
        return entries

    def resolved(self) -> "Settings":
        """The same with absolute paths and with every default that lies in `home` filled in.

        `redis_url` stays None when not given: only the launcher knows the server that it starts.
        """
        home = self.home.expanduser().absolute()

        def placed(path: Path | None, name: str) -> Path:
            return home / name if path is None else path.expanduser().absolute()

        return self.model_copy(
            update={
                "home": home,
                "grpc_port": self._grpc_port(),
                "database_url": self.database_url or f"sqlite+aiosqlite:///{home / 'proctor.db'}",
                "faces_uri": self.faces_uri or str(home / "faces"),
                "recordings_url": self.recordings_url or (home / "recordings").as_uri(),
                "evidence_url": self.evidence_url or (home / "evidence").as_uri(),
                "evidence_spool": placed(self.evidence_spool, "evidence-spool"),
                "key_file": placed(self.key_file, "keys.json"),
                "checkpoints_url": self.checkpoints_url or (home / "checkpoints").as_uri(),
                "key_ring_token": self.key_ring_token
                and self.key_ring_token.expanduser().absolute(),
                "proof_key": placed(self.proof_key, "proof-key.pem"),
                "token_keys": placed(self.token_keys, "tokens"),
                "models_dir": placed(self.models_dir, "models"),
                "policies_dir": self.policies_dir.expanduser().absolute(),
                "web_dir": self.web_dir.expanduser().absolute(),
            }
        )

    def _grpc_port(self) -> "int | Literal['off']":
        if self.grpc_port is not None:
            return self.grpc_port
        if self.host not in LOOPBACK and not (self.tls_certificate and self.tls_key):
            return "off"
        return self.port + 1 if 0 < self.port < 65535 else 0
