"""Small real jobs that show whether decoding and the shipped models work on this machine."""

import tempfile
from pathlib import Path

from strive.cache.artefact import Artefact
from strive.cache.store import Store
from strive.configs.data_stages import ScoreConfig
from strive.configs.errors import MissingError
from strive.configs.schema import Config
from strive.stages.plan import Job, VideoRef
from strive.stages.runner import run_chain

FRAMES, FPS, WIDTH, HEIGHT = 10, 5, 64, 48
REINSTALL = "Reinstall opencv-python and av."


def decoder_probe(decoder: str) -> str:
    """Extract a clip made on the spot, in a cache of its own, with this decoder; says what came out.

    Raises `MissingError` when fewer frames come out than were put in.
    """
    with tempfile.TemporaryDirectory(prefix="strive-doctor-") as folder:
        clip = write_clip(Path(folder) / "clip.mp4")
        settings = {"decoder": decoder, "fps": FPS, "min_frames": FRAMES, "short_side": HEIGHT}
        config = Config.model_validate({"extract": settings})
        job = Job(config, Store(Path(folder) / "cache"), videos=[VideoRef("clip.mp4", clip)])
        outcome = run_chain("extract", job)["extract"]
        made = job.results["extract"]["clip.mp4"]
        if outcome.failed or not isinstance(made, Artefact):
            raise MissingError(f"a generated clip could not be decoded: {made}", "its frames", REINSTALL)
        decoded, times = int(made.meta.get("decoded_frames", 0)), made.meta.get("times", "?")
        if decoded < FRAMES:
            raise MissingError(f"{decoded} of {FRAMES} frames decoded", "all of them", REINSTALL)
        return f"decoded {decoded} of {FRAMES} frames of a generated clip, times {times}"


def write_clip(path: Path) -> Path:
    """Two seconds of moving stripes as MPEG-4."""
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(FRAMES):
            column = ((np.arange(WIDTH) // 8 + number) % 2 * 255).astype(np.uint8)
            picture = np.ascontiguousarray(np.broadcast_to(column[None, :, None], (HEIGHT, WIDTH, 3)))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def policy_probe() -> str:
    """Load the shipped policy on the CPU."""
    from strive.stages.vlm.load import load_policy

    policy = load_policy("demo", device="cpu", max_pixels=7056, min_pixels=784)
    return f"{policy.model.config.model_type}, {sum(p.numel() for p in policy.model.parameters()):,} parameters"


def scorer_probe() -> str:
    """Load the shipped CLIP on the CPU."""
    from strive.stages.score.clip import open_clip_encoder

    encoder = open_clip_encoder(ScoreConfig(model="demo", device="cpu"))
    return f"open_clip, {sum(p.numel() for p in encoder.model.parameters()):,} parameters"
