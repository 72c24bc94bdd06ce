"""The settings in which the recipes of a comparison differ, a row a key."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Setting:
    """A key with its value in each recipe but the baseline, "" where it is the baseline's."""

    key: str
    values: tuple[str, ...]


def settings_rows(summary: Mapping[str, Any]) -> list[Setting]:
    """Every key that some recipe sets otherwise than the baseline."""
    others = [arm["settings"] for arm in summary["arms"] if arm["name"] != summary["baseline"]]
    keys = sorted({key for settings in others for key in settings})
    return [Setting(key, tuple(told(settings, key) for settings in others)) for key in keys]


def told(settings: Mapping[str, Any], key: str) -> str:
    """A value as it would be typed."""
    if key not in settings:
        return ""
    value = settings[key]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
