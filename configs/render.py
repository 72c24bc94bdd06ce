"""The resolved config as a file that `--config` accepts, each value with its source."""

from collections.abc import Mapping
from typing import Any

import yaml

from strive.configs.load import SECTIONS
from strive.configs.schema import Config


def one_line(value: Any) -> str:
    """A value as YAML on one line."""
    text = str(yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True))
    return text.removesuffix("...\n").strip()


def render(config: Config, sources: Mapping[str, str]) -> str:
    """YAML text; the source of each value is a comment behind it."""
    lines = [f"model: {one_line(config.model)}  # {sources.get('model', 'default')}"]
    for section in SECTIONS:
        lines.append(f"{section}:")
        for key, value in getattr(config, section).model_dump(mode="json").items():
            lines.append(f"  {key}: {one_line(value)}  # {sources.get(f'{section}.{key}', 'default')}")
    return "\n".join(lines) + "\n"
