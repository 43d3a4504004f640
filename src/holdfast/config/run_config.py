"""The settings of a run, and the default of each."""

from typing import Any, Literal, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from holdfast.config.addresses import notify_addresses, trackers

BACKBONES = [
    "CustomConvNeXt",
    "CustomEfficientNetV4",
    "CustomGhostNetV2",
    "CustomResNetMish",
    "CustomCSPDarkNet",
    "CustomInceptionV4",
    "CustomViTHybrid",
    "CustomSwinTransformer",
    "CustomCoAtNet",
    "CustomRegNet",
    "CustomDenseNetHybrid",
    "CustomDeiTStyle",
    "CustomMaxViT",
    "CustomMobileOne",
    "CustomDynamicConvNet",
]
"""The series, in the order of training."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class StageConfig(_Settings):
    """How one stage learns."""

    learning_rate: float = Field(gt=0)
    """Peak of the schedule, reached after the warm-up."""
    augment: bool
    """Whether training images are augmented. A head stage without it computes the frozen
    backbone's features once, not in each epoch."""
    weight_decay: float = Field(1e-4, ge=0)
    """AdamW's; biases and norms are spared."""
    warmup_epochs: float = Field(1.0, ge=0)
    """Linear warm-up; a cosine to zero follows."""
    clip_norm: float = Field(1.0, gt=0)
    """Gradients are scaled down to this global norm."""
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    """Share of the target that is spread over all classes."""


class AugmentConfig(_Settings):
    """Random changes to a training image, drawn for each sample."""

    horizontal_flip: float = Field(0.5, ge=0, le=1)
    """Probability that left and right change places."""
    vertical_flip: float = Field(0.3, ge=0, le=1)
    """Probability that an image is stood on its head."""
    rotation: float = Field(15.0, ge=0, le=180)
    """Largest angle, in degrees, either way."""
    jitter: float = Field(0.2, ge=0, le=1)
    """Brightness, contrast and saturation; not hue, which tells a yellow leaf from a green one."""


class StageOverrides(_Settings):
    """What one backbone changes of each stage."""

    head: dict[str, Any] = Field(default_factory=dict)
    """Settings of the table head, for this backbone."""
    finetune: dict[str, Any] = Field(default_factory=dict)
    """Settings of the table finetune, for this backbone."""


class RunConfig(_Settings):
    """Everything that decides what a run trains and how."""

    data: str | None = Field(None, examples=["photos"])
    """A folder with one sub-folder per class, or with train/, val/ and test/ inside; without
    one, scikit-learn's digits. A URL, such as ``s3://bucket/photos``, will do."""
    checkpoint_dir: str = "checkpoints"
    """A folder, or a URL such as ``s3://bucket/run``."""
    preset: Literal["demo", "full"] | None = Field(None, examples=["full"])
    """Where the other defaults come from: demo without data, full with it."""
    backbones: tuple[str, ...] = tuple(BACKBONES)
    """Which to train, in this order; all of them unless named."""
    size: Literal["tiny", "full"] = "full"
    """Size of the backbones."""
    image_size: int = Field(224, ge=32, le=1024)
    """Side of the square that a backbone sees, in pixels; a multiple of 32."""
    batch_size: int = Field(32, ge=2)
    """Images of a step."""
    epochs_head: int = Field(40, ge=0)
    """Epochs with the backbone frozen; 0 leaves the stage out."""
    epochs_finetune: int = Field(25, ge=0)
    """Epochs in which all learns; 0 leaves the stage out."""
    folds: int = Field(5, ge=0)
    """Cross-validation folds of each backbone; 0 for none."""
    fold_backbones: tuple[str, ...] | None = Field(None, examples=[("CustomConvNeXt",)])
    """Which backbones are cross-validated; all of them unless named."""
    patience: int = Field(5, ge=1)
    """Epochs of a stage without a better validation accuracy before the stage stops."""
    keep_latest: int = Field(3, ge=2)
    """Checkpoints of a backbone to keep; at least 2, because the newest may be the one being
    written when the power fails."""
    seed: int = Field(42, ge=0)
    """Decides every random number."""
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """Where to compute: auto (cuda where there is one), cpu, cuda or cuda:N."""
    threads: int = Field(0, ge=0)
    """CPU threads of torch; 0 takes what the machine has at the first start, and keeps it."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the forward pass: auto is bfloat16 on a cuda device that has it, else float32."""
    max_bad_images: float = Field(0.01, ge=0, le=1)
    """Share of unreadable images that is tolerated; one always is."""
    on_change: Literal["refuse", "restart-affected", "continue"] = "refuse"
    """What to do when a start differs from the run: nothing; train anew what that touches; or go
    on, with results that say that they are not those of an undisturbed run."""
    overhead: float = Field(0.01, gt=0, le=1)
    """Share of the training time that checkpoints may cost: they are made as often as it allows."""
    save_interval: float | None = Field(None, ge=0, examples=[60.0])
    """Seconds between checkpoints inside an epoch, where `overhead` is not to decide."""
    engine: Literal["local", "ray"] = "local"
    """Who trains the jobs: this process, one after the other, or Ray, on all its machines."""
    ray_address: str | None = Field(None, examples=["auto"])
    """Which Ray: auto (the one that runs here), local (one of its own), or HOST:PORT; unless
    given, the one that runs here, or else one of its own."""
    cpus_per_job: int | None = Field(None, ge=1, examples=[4])
    """CPUs that Ray sets aside for a job; the threads of its ranks, unless given."""
    gpus_per_job: int | None = Field(None, ge=0, examples=[2])
    """GPUs that train a job together, each with a process of its own, a rank; Ray sets as many
    aside for it. One, unless given, where jobs train on cuda."""
    ranks: int | None = Field(None, ge=1, examples=[2])
    """Processes that share each batch of a job, where there are no GPUs to say how many."""
    max_parallel: int | None = Field(None, ge=1, examples=[8])
    """Jobs that Ray trains at a time, at most; as many as have room, unless given."""
    track: tuple[str, ...] = ()
    """Where else to follow the run: `tensorboard`, `tensorboard:DIR`, `mlflow`, `mlflow:URI`."""
    notify: tuple[SecretStr, ...] = ()
    """Whom to tell when the run is finished, failed, stalled or interrupted: addresses as Apprise
    has them. They hold secrets: nothing records them, and nothing shows them."""
    stall_after: float | None = Field(None, gt=0, examples=[1800.0])
    """Seconds without a step after which the run has stalled; unless given, 20 times the usual
    step, but at least 15 minutes."""
    head: StageConfig = StageConfig(learning_rate=2e-3, augment=False)
    """How the first stage learns, in which the backbone is frozen."""
    finetune: StageConfig = StageConfig(learning_rate=1e-3, augment=True)
    """How the second stage learns, in which all learns."""
    augment: AugmentConfig = AugmentConfig()
    """Random changes to a training image, drawn for each sample."""
    overrides: dict[str, StageOverrides] = Field(default_factory=dict)
    """Stage settings of single backbones: ``{"CustomDeiTStyle": {"finetune": {…}}}``."""

    @field_validator("backbones", "fold_backbones", mode="before")
    @classmethod
    def _expand_all(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = tuple(name.strip() for name in value.split(",") if name.strip())
        return tuple(BACKBONES) if value in (("all",), ["all"]) else value

    @field_validator("track", mode="before")
    @classmethod
    def _expand_track(cls, value: Any) -> Any:
        return trackers(value)

    @field_validator("notify", mode="before")
    @classmethod
    def _expand_notify(cls, value: Any) -> Any:
        return notify_addresses(value)

    @field_validator("backbones")
    @classmethod
    def _no_twins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("name at least one backbone, or all")
        if len(set(value)) < len(value):
            raise ValueError("a backbone is named twice")
        return value

    @field_validator("image_size")
    @classmethod
    def _multiple_of_32(cls, value: int) -> int:
        if value % 32:
            raise ValueError(f"must be a multiple of 32, such as {round(value / 32) * 32}")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> "RunConfig":
        if self.folds == 1:
            raise ValueError("folds: one fold leaves nothing to train on; use 0, or 2 and more")
        if self.epochs_head + self.epochs_finetune == 0:
            raise ValueError("epochs_head and epochs_finetune are both 0: nothing to train")
        return self

    @property
    def stages(self) -> dict[str, int]:
        """The stages in order, with their epochs; a stage of 0 epochs is left out."""
        epochs = {"head": self.epochs_head, "finetune": self.epochs_finetune}
        return {stage: count for stage, count in epochs.items() if count}

    @property
    def fold_counts(self) -> dict[str, int]:
        """Folds of each backbone that is cross-validated."""
        chosen = self.backbones if self.fold_backbones is None else self.fold_backbones
        return {name: self.folds for name in self.backbones if self.folds and name in chosen}

    def stage(self, backbone: str, stage: str) -> StageConfig:
        """Return how ``backbone`` learns in ``stage``: defaults, ours for it, the user's."""
        base: StageConfig = getattr(self, stage)
        ours = OVERRIDES.get(backbone, {}).get(stage, {})
        theirs = getattr(self.overrides.get(backbone, StageOverrides()), stage)
        changes = {**ours, **theirs}
        return StageConfig.model_validate({**base.model_dump(), **changes})


PRESETS: dict[str, dict[str, Any]] = {
    "demo": {
        "size": "tiny",
        "image_size": 32,
        "batch_size": 64,
        "epochs_head": 2,
        "epochs_finetune": 7,
        "folds": 2,
        "fold_backbones": ("CustomConvNeXt", "CustomMobileOne"),
        "finetune": {"learning_rate": 2e-3, "augment": True},
        # a mirrored 2 is no 2, and a 6 on its head is a 9
        "augment": {"horizontal_flip": 0.0, "vertical_flip": 0.0, "rotation": 10.0, "jitter": 0.0},
    },
    "full": {},
}
"""What each preset changes of the defaults."""

OVERRIDES: dict[str, dict[str, dict[str, Any]]] = {}
"""What single backbones change: transformers want a lower rate."""

FREE_TO_CHANGE = frozenset(
    {
        *("checkpoint_dir", "preset", "data", "keep_latest", "overhead", "save_interval"),
        *("max_bad_images", "on_change"),
        *("engine", "ray_address", "cpus_per_job", "max_parallel"),
        *("track", "notify", "stall_after"),
    }
)
"""Settings that change no bit of the result; what the data are, their digest says."""


def choices(setting: str) -> tuple[str, ...]:
    """Return the words that a setting may be; none where it may be others too."""
    return _words_of(RunConfig.model_fields[setting].annotation)


def _words_of(annotation: Any) -> tuple[str, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return next((words for part in get_args(annotation) if (words := _words_of(part))), ())
