"""The whole config: one section per stage."""

from pydantic import Field

from strive.configs.data_stages import ExtractConfig, FetchConfig, ScoreConfig, VariantsConfig
from strive.configs.fields import StageConfig, result
from strive.configs.run_stages import EvalConfig, TrainConfig


class DemoConfig(StageConfig):
    """Sizes of the built-in world."""

    seed: int = result(0, "seed of the world (train.seed is the policy's)")
    train_videos: int = result(160, "videos questions are trained on", ge=1)
    eval_videos: int = result(120, "held-out videos", ge=1)


class Config(StageConfig):
    """Every key that strive knows."""

    fetch: FetchConfig = Field(default_factory=FetchConfig)
    extract: ExtractConfig = Field(default_factory=ExtractConfig)
    score: ScoreConfig = Field(default_factory=ScoreConfig)
    variants: VariantsConfig = Field(default_factory=VariantsConfig)
    train: TrainConfig = Field(default_factory=TrainConfig)
    eval: EvalConfig = Field(default_factory=EvalConfig)
    demo: DemoConfig = Field(default_factory=DemoConfig)
    model: str = Field(default="", description="policy: Hugging Face id, folder, run folder, or demo")
