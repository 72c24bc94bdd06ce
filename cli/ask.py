"""`strive ask`: one question about one video, with the frames that were seen."""

from pathlib import Path
from typing import Annotated

import typer

from strive.cli.options import Common, common
from strive.cli.session import open_session
from strive.configs.errors import MissingError, UsageError

EXAMPLES = (
    'Examples: strive ask clip.mp4 "What falls?" --model Qwen/Qwen2.5-VL-3B-Instruct'
    ' · strive ask clip.mp4 "Who enters first?" --option "the man" --option "the dog" --model runs/strive'
)


def add_to(app: typer.Typer, name: str, help_line: str) -> None:
    """Register the command."""
    app.command(name, help=help_line, epilog=EXAMPLES)(common(run))


def run(
    options: Common,
    video: Annotated[Path, typer.Argument(help="Video file.")],
    question: Annotated[str, typer.Argument(help="The question, in quotes.")],
    option: Annotated[list[str] | None, typer.Option("--option", help="An answer to choose from; repeatable.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Hugging Face id, folder, run folder, or demo.")] = None,
    kind: Annotated[
        str, typer.Option("--type", help="Question type; default: multiple_choice with options, else open.")
    ] = "",
) -> None:
    """Answer and say which frames, at which times, were shown."""
    import dataclasses

    session = open_session("ask", options, flags={"model": model})
    chosen = session.resolved.config.model
    if not chosen:
        raise UsageError("ask: no --model", "a Hugging Face id, a folder, a run folder or demo", "Add --model.")
    if not video.exists():
        raise MissingError(f"{video}: no such file", "a video", "Check the path.")
    from strive.stages.eval.ask import ask, check_settings, question_of

    texts = [one for one in option or [] if one.strip()]
    kind = question_of(video, question, texts, kind).question_type
    check_settings(session.resolved.config.eval)
    if options.dry_run:
        session.finish(lines=[f"would ask {chosen} one {kind} question about {video}"], fields={"question_type": kind})
    found = ask(video, question, texts, kind, chosen, session.resolved.config, session.store, session.out)
    answer = found.parsed if found.parsed is not None else f"({found.status})"
    if kind == "multiple_choice" and found.parsed:
        answer = f"{found.parsed}. {texts[ord(found.parsed) - ord('A')]}"
    times = ", ".join(f"{frame['time']:.2f}" for frame in found.frames)
    note = " (times estimated: the file has none)" if found.times == "estimated" else ""
    fields = dataclasses.asdict(found)
    fields["answer_status"] = fields.pop("status")
    session.finish(
        done=1,
        fields={"question": question, "question_type": kind, "options": texts or None, "model": chosen, **fields},
        lines=[
            f"answer: {answer}",
            f"reply: {found.reply.strip()}",
            f"seen: {len(found.frames)} frames at {times} s{note}",
        ],
    )
