"""InternVL: a video is a list of numbered frames, each one tile of fixed size; plain positions, no times."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from strive.stages.vlm.clips import ShownClip
from strive.stages.vlm.fixed_size import FixedSizeAdapter


class InternVL(FixedSizeAdapter):
    """One tile a frame (released: 448x448, 256 tokens), as published for videos: a line `Frame1: <img>…</img>` each."""

    def own_tokens(self) -> Sequence[str]:
        """The tokens around and in a picture; the template's `<video>` is replaced by them."""
        vision, given = self.config.vision_config, self.processor
        self.size = (int(vision.image_size[0]), int(vision.image_size[1]))
        self.patch = int(vision.patch_size[0])
        self.merge = round(1 / float(self.config.downsample_ratio))
        self.start_token, self.end_token = str(given.start_image_token), str(given.end_image_token)
        self.marker_of = {"video": str(given.video_token)}
        self.token_of = {"video": str(given.tokenizer.convert_ids_to_tokens(self.config.image_token_id))}
        return [self.start_token, self.end_token, *self.marker_of.values(), *self.token_of.values()]

    @property
    def frame_tokens(self) -> int:
        """Patches of the fixed size, merged merge × merge."""
        return (self.size[0] // self.patch) * (self.size[1] // self.patch) // self.merge**2

    def visuals(self, clip: ShownClip) -> list[str]:
        """`Frame1: <img>…</img>`; with `time_text` seconds `Frame1 at 12.5s: <img>…</img>`."""
        picture = f"{self.start_token}{self.token_of['video'] * self.frame_tokens}{self.end_token}"
        told = self.time_text == "seconds"
        return ["\n".join(f"Frame{number}{f' at {second:.1f}s' if told else ''}: {picture}"
                          for number, second in enumerate(clip.times.tolist(), start=1))]

    def frame_features(self, core: Any, pixels: Tensor) -> Tensor:
        """Tower, pixel shuffle and projector, as the model has them."""
        features: Tensor = core.model.get_image_features(pixel_values=pixels).pooler_output
        return features

    def clip_features(self, core: Any, frames: Tensor) -> Tensor:
        """The frames one after another."""
        return frames.flatten(0, 1)
