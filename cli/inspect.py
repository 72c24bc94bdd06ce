"""`strive inspect`: one sample's variants as a picture and a small table."""

from pathlib import Path
from typing import Annotated, Any

import typer

from strive.cli.options import Common, common
from strive.cli.session import Session, data_job, open_session
from strive.cli.table import table
from strive.configs.errors import MissingError, UsageError

EXAMPLES = (
    "Examples: strive inspect q12 --out q12.png · strive inspect q12 --data train.jsonl --videos videos/ --out q12.png"
    " · strive inspect bundle.h5 --out sheet.png"
)


def add_to(app: typer.Typer, name: str, help_line: str) -> None:
    """Register the command."""
    app.command(name, help=help_line, epilog=EXAMPLES)(common(inspect))


def inspect(
    options: Common,
    sample: Annotated[str, typer.Argument(help="Sample id, or a bundle file.")],
    out: Annotated[Path, typer.Option("--out", help="PNG to write.")],
    data: Annotated[Path | None, typer.Option("--data", help="Dataset; default: the last run's samples.")] = None,
    videos: Annotated[Path | None, typer.Option("--videos", help="Folder that the dataset's videos lie in.")] = None,
    follow_links: Annotated[bool, typer.Option("--follow-links", help="Allow symbolic links in that folder.")] = False,
) -> None:
    """Draw the contact sheet; print which frames each variant shows."""
    from strive.cache.atomic import write_bytes
    from strive.stages.report.contact_sheet import contact_sheet
    from strive.stages.report.lookup import find_bundle

    if out.suffix.lower() not in ("", ".png"):
        raise UsageError(f"--out {out}: {out.suffix} is not written", "a PNG file",
                         f"Use --out {out.with_suffix('.png')}.")
    session = open_session("inspect", options)
    bundle = bundle_of_data(session, sample, data, videos, follow_links) if data else find_bundle(session.store, sample)
    rows = [row_of(k, bundle.variant(k)) for k in range(bundle.n_variants)]
    fields = {"sample": bundle.sample.to_json(), "key": bundle.key, "variants": rows,
              "scored_frames": len(bundle.score_times)}
    if not options.dry_run:
        write_bytes(out, contact_sheet(bundle))
    last = f"would write {out}" if options.dry_run else f"wrote {out}"
    lines = [bundle.sample.question, *lines_of(rows), last]
    session.finish(done=0 if options.dry_run else 1, outputs={"sheet": out}, fields=fields, lines=lines)


def bundle_of_data(session: Session, sample: str, data: Path, videos: Path | None, follow_links: bool) -> Any:
    """The sample's bundle for this dataset and these settings; nothing is made."""
    from strive.cache.artefact import Artefact
    from strive.stages.report.lookup import in_cache
    from strive.stages.runner import plan_stage

    job = data_job(session, data, videos, follow_links)
    job.samples = [one for one in job.samples if one.id == sample]
    if not job.samples:
        raise UsageError(f"{sample}: no such sample in {data}", "an id of that file", "Check the id.")
    job.videos = [one for one in job.videos if one.id == job.samples[0].video]
    plan_stage("variants", job)
    found = job.results["variants"].get(sample)
    if not isinstance(found, Artefact):
        why, folder = f" ({found})" if found else "", videos or data.parent
        raise MissingError(f"{sample}: no bundle with these settings{why}", "one in the cache",
                           f"Run `strive variants --data {data} --videos {folder}` with the same options.")
    return in_cache(session.store, found.key)


def row_of(number: int, variant: Any) -> dict[str, Any]:
    """One variant as JSON: its frames' times in seconds, how they were chosen, what was vetoed and why.

    `clips` has the frames and the size in pixels of each clip; `contrast` marks a view that is never trained on.
    """
    clips = [{"frames": len(clip), "height": clip.shape[1], "width": clip.shape[2]} for clip in variant.clips()]
    return {
        "variant": number, "contrast": variant.contrast, "frames": len(variant.times),
        "times": [round(float(t), 3) for t in variant.times], "clips": clips,
        "sampler": variant.sampler, "seed": variant.seed, "operators": variant.operators,
        "crop": list(variant.crop) if variant.crop else None,
        "vetoes": [{"operator": veto.get("operator"), "topic": veto.get("topic"), "reason": veto.get("reason")}
                   for veto in variant.vetoes],
    }


def lines_of(rows: list[dict[str, Any]]) -> list[str]:
    """The table for people, and a line for each veto."""
    body = [[str(row["variant"]), "+".join(str(clip["frames"]) for clip in row["clips"]), times_of(row), row["sampler"],
             "contrast" if row["contrast"] else "train",
             ", ".join(dict.fromkeys(str(one.get("operator")) for one in row["operators"]))] for row in rows]
    vetoed = [f"variant {row['variant']}: {'vetoed' if veto['topic'] else 'left out'} {veto['operator']}: "
              f"{veto['reason']}" for row in rows for veto in row["vetoes"]]
    head = ["VARIANT", "FRAMES", "TIMES", "SAMPLER", "USE", "OPERATORS"]
    return [*table([head, *body], right=(0, 1)), *vetoed]


def times_of(row: dict[str, Any]) -> str:
    """The times of each clip."""
    parts, start = [], 0
    for clip in row["clips"]:
        parts.append(span(row["times"][start : start + clip["frames"]]))
        start += clip["frames"]
    return " | ".join(parts) + " s"


def span(times: list[float]) -> str:
    """The first times of a clip and the last."""
    shown = [f"{t:.1f}" for t in times]
    return " ".join(shown if len(shown) <= 6 else [*shown[:4], "…", shown[-1]])
