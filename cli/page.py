"""The page that a finished run keeps in its folder, as `strive report RUN` writes it."""

from pathlib import Path

from strive.cli.session import Session


def run_page(session: Session, run: Path, changed: bool) -> Path:
    """Write RUN/report.html when the run has changed or has none yet, and return it."""
    page = run / "report.html"
    if changed or not page.is_file():
        from strive.stages.report.evaluation.shown_frames import RunFrames
        from strive.stages.report.lookup import RunBundles
        from strive.stages.report.page import write_report

        write_report([run], page, bundle_of=RunBundles(session.store), frames_of=RunFrames(session.store))
    return page
