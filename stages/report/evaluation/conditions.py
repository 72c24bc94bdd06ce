"""What a score depends on, to be printed beside it: who was asked, what was shown, how it was asked and read."""

from collections.abc import Mapping
from typing import Any

from strive.stages.report.values import mapping, number

CHOSEN = "chosen."


def conditions(results: Mapping[str, Any], recipe: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Label and text of each condition that the run recorded."""
    setting = {key.removeprefix("eval."): value for key, value in recipe.items() if key.startswith("eval.")}
    protocol = setting.get("protocol") or results.get("protocol")
    facts = [
        ("protocol", protocol), ("model", model(results, recipe)),
        ("prompt", prompt(setting, protocol)), ("shown", shown(setting, recipe)), ("pixels", pixels(setting)),
        ("control", control(results, setting)), ("decoding", decoding(setting)), ("dtype", recipe.get("dtype")),
        ("libraries", series(recipe.get("libraries"))),
    ]
    return [(label, str(text)) for label, text in facts if text not in (None, "")]


def model(results: Mapping[str, Any], recipe: Mapping[str, Any]) -> str:
    """The model's name and the first digits of its identity."""
    name, identity = str(results.get("model") or ""), str(recipe.get("model") or "")
    short = identity.removeprefix("sha256:")[:12] if identity.startswith("sha256:") else identity
    return " · ".join(part for part in (name, short) if part)


def prompt(setting: Mapping[str, Any], protocol: Any) -> str:
    """Whose words ask the question."""
    if not setting:
        return ""
    extra = [f"{key.replace('_', ' ')} {setting[key]}" for key in ("time_text", "frame_pairing") if key in setting]
    own = str(setting.get("prompt_format", "")) if protocol == "strict" else f"of {protocol}"
    return ", ".join([own, *extra])


def shown(setting: Mapping[str, Any], recipe: Mapping[str, Any]) -> str:
    """How many frames, chosen how."""
    if setting.get("control") == "text_only":
        return "no video"
    if "frames" not in setting:
        return ""
    chosen = {key.removeprefix(CHOSEN): value for key, value in recipe.items() if key.startswith(CHOSEN)}
    by = ", ".join(f"{key} {plain(value)}" for key, value in chosen.items() if key != "sampler")
    text = f"{setting['frames']} {chosen.get('sampler', setting.get('sampler', ''))} frames"
    return f"{text} ({by}, seed {setting.get('seed')})" if chosen else text


def pixels(setting: Mapping[str, Any]) -> str:
    """Bounds of a frame's size as the model sees it."""
    if setting.get("control") == "text_only" or "max_pixels" not in setting:
        return ""
    return f"{setting.get('min_pixels')} to {setting['max_pixels']} a frame"


def control(results: Mapping[str, Any], setting: Mapping[str, Any]) -> str:
    """What was done to the question, "none" where nothing was."""
    found = [str(setting["control"])] if setting.get("control", "none") != "none" else []
    found += [name for name in ("shuffle_frames", "options_shuffled") if setting.get(name) is True]
    return (" + ".join(found) or "none") if setting else str(results.get("control") or "none")


def decoding(setting: Mapping[str, Any]) -> str:
    """Greedy or not, and the longest reply."""
    heat = number(setting.get("temperature"))
    if heat is None:
        return ""
    how = "greedy" if heat == 0 else f"temperature {heat:g}, seed {setting.get('seed')}"
    return f"{how}, at most {setting.get('max_new_tokens')} new tokens"


def series(libraries: Any) -> str:
    """Library series in one line."""
    return ", ".join(f"{name} {value}" for name, value in mapping(libraries).items())


def plain(value: Any) -> str:
    """A setting in few characters; of a mapping its values."""
    if isinstance(value, Mapping):
        return " ".join(plain(inner) for inner in value.values())
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text[:19] if text.startswith("sha256:") else text
