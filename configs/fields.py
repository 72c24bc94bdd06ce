"""Config fields that say of themselves whether they change a result (and so enter keys) or only how it is made."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class StageConfig(BaseModel):
    """Base of every stage's schema: unknown keys are errors, values are validated, instances are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    def result_keys(self) -> dict[str, Any]:
        """The fields that affect the result, as plain JSON values, in the order of their names."""
        dumped = self.model_dump(mode="json")
        fields = type(self).model_fields
        return {name: dumped[name] for name in sorted(fields) if is_result(fields[name].json_schema_extra)}


def is_result(extra: Any) -> bool:
    """True unless the field was declared with `free`."""
    return not (isinstance(extra, dict) and extra.get("free"))


def result(default: Any, doc: str, **limits: Any) -> Any:
    """A field whose value changes the result: it enters keys."""
    return Field(default, description=doc, **limits)


def free(default: Any, doc: str, **limits: Any) -> Any:
    """A field that changes only how the work is done (deadlines, workers, paths): it never enters a key."""
    return Field(default, description=doc, json_schema_extra={"free": True}, **limits)
