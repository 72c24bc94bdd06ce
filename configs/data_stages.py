"""Schemas of the data stages: fetch, extract, score and variants."""

from typing import Literal

from strive.configs.fields import StageConfig, free, result


class FetchConfig(StageConfig):
    """How videos behind URLs are downloaded; nothing here changes what they are."""

    max_mib: int = free(8192, "a larger video is a failed item, in MiB", ge=1)
    retries: int = free(8, "times in a row that a download is tried again without 8 MiB more", ge=0, le=100)
    silence_s: float = free(30.0, "seconds without a byte after which a connection counts as broken", gt=0)


class ExtractConfig(StageConfig):
    """Which frames are taken from a video, and how they are stored."""

    fps: float = result(1.0, "frames per second, from time 0, plus the last frame", gt=0, le=240)
    min_frames: int = result(64, "shorter videos: fps is raised until this many frames, or every frame", ge=1)
    max_frames: int = result(256, "longer videos: this many frames spread over the whole duration", ge=1, le=65536)
    short_side: int = result(336, "frames are shrunk (never enlarged) to this short side, in pixels", ge=8, le=8192)
    codec: Literal["jpeg", "png"] = result("jpeg", "encoding of stored frames")
    jpeg_quality: int = result(95, "JPEG quality (4:4:4 chroma)", ge=1, le=100)
    min_decodable: float = result(0.95, "share of the announced duration that must decode", ge=0, le=1)
    decoder: Literal["auto", "opencv", "pyav"] = result("auto", "auto chooses the one with true presentation times")
    deadline_s: float = free(600.0, "seconds after which a decoding child is killed", gt=0)
    memory_mib: int = free(4096, "address-space growth allowed to a decoding child, in MiB", ge=256)


class ScoreConfig(StageConfig):
    """How much each frame matters to each question."""

    scorer: Literal["clip", "random", "hash"] = result("clip", "clip, or a control without sight")
    model: str = result("ViT-B-32", "open_clip model name, local folder, or demo")
    pretrained: str = result("laion2b_s34b_b79k", "open_clip pretrained tag (ignored for folders and demo)")
    text: Literal["question", "question+options"] = result("question", "what the frames are compared with")
    long_text: Literal["chunk_mean", "truncate"] = result("chunk_mean", "texts beyond the context length")
    tiles: int = result(3, "tiles per side for the saliency map (0: none, no salient crop)", ge=0, le=8)
    tile_side: float = result(0.6, "side of a tile as a share of the frame's side", gt=0, le=1)
    batch: int = result(64, "rows per forward, padded: the same batch gives bit-identical scores", ge=1)
    seed: int = result(0, "seed of the random control")
    device: str = free("auto", "auto, cpu, cuda, mps")


class VariantsConfig(StageConfig):
    """Which views of each video are bundled for each question."""

    count: int = result(4, "number of variants V", ge=1, le=64)
    frames: int = result(32, "frames per variant T", ge=1, le=4096)
    sampler: str = result("strat_gumbel", "sampler of the non-canonical variants")
    tau: float = result(0.5, "temperature of the Gumbel samplers", gt=0)
    coverage: float = result(0.5, "share of the frames drawn one per equal time bin", ge=0, le=1)
    its_power: float = result(1.0, "sampler its: exponent of the scores before their cumulative sum", gt=0)
    aks_depth: int = result(5, "sampler aks: most halvings of the video", ge=0, le=30)
    aks_threshold: float = result(0.8, "sampler aks: mean of the best frames above the mean of all (scores in 0..1) at "
                                  "which a stretch is not halved again", ge=0)
    operators: tuple[str, ...] = result(
        ("canonical", "draw", "draw", "salient_crop"),
        "one entry per variant, repeated from the second on if count is larger",
    )
    contrast: tuple[str, ...] = result(
        (), "further views, such as shuffle, that are rolled out and scored beside the variants, never trained on")
    crop_area: float = result(0.6, "smallest share of the frame's area that a salient crop keeps", gt=0, le=1)
    segment_share: float = result(0.5, "segment: share of the frames that lie in the segment", gt=0, le=1)
    segment_span: float = result(0.25, "segment: its length as a share of the video", gt=0, le=1)
    drop_share: float = result(0.25, "drop: share of the video's frames, the least important, left out", gt=0, lt=1)
    frame_factor: float = result(0.5, "frame_count: frames as a multiple of variants.frames", gt=0, le=8)
    mask_area: float = result(0.3, "mask: largest share of the frame, the least salient part, that is greyed out", gt=0,
                              lt=1)
    noise_std: float = result(0.05, "noise: standard deviation as a share of the pixel range", gt=0, le=1)
    append_share: float = result(0.5, "crop_append: zoomed frames that are added, as a share of variants.frames", gt=0,
                                 le=1)
    tiers: tuple[tuple[float, int], ...] = result(
        ((0.5, 1), (0.25, 2), (0.25, 4)), "tiers: share of the tokens and divisor of the frame's side, for each tier")
    tier_pixels: int = result(128 * 28 * 28, "tiers: pixels of a frame of divisor 1; as train.max_pixels", ge=1)
    guard: bool = result(True, "veto operators that could change the answer")
    seed: int = result(0, "seed of the draws")
    codec: Literal["jpeg", "png"] = result("jpeg", "encoding of images that an operator made")
    jpeg_quality: int = result(95, "JPEG quality (4:4:4 chroma)", ge=1, le=100)
    max_bundle_mib: int = free(2048, "a larger bundle is a failed item", ge=1)

    def uses(self, operator: str) -> bool:
        """Whether an entry of `operators` or `contrast` names it."""
        entries = (*self.operators, *self.contrast)
        return any(operator == part.strip() for entry in entries for part in entry.split("+"))

    @property
    def views(self) -> int:
        """Views in a bundle: the variants and the contrast views."""
        return self.count + len(self.contrast)
