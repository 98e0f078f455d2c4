"""QGIS with the plugin from this checkout, in a profile of its own.

    desktop.py open --optical A.tif --sar B.tif            on the screen
    desktop.py tour --optical A.tif --sar B.tif --out DIR  does a whole registration by itself, with screenshots

The profile lives in `.qgis/` and never touches the user's own.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOUR = ROOT / "tools" / "tour.py"
LIMIT = 400  # seconds, for a tour on a slow machine

INI = """[PythonPlugins]
sarto=true

[app]
askToSaveMemoryLayers=false
projections\\unknownCrsBehavior=NoAction

[qgis]
checkVersion=false
showTips=false
newsFeed=false
enableMacros=Never

[core]
NewsFeed\\httpsfeedqgisorg\\disabled=true

[UI]
UITheme={theme}
state=
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("open", "tour"))
    parser.add_argument("--optical", type=Path, required=True)
    parser.add_argument("--sar", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="tour: folder for screenshots and results")
    parser.add_argument("--virtual", action="store_true", help="use a virtual screen (Xvfb)")
    parser.add_argument("--screen", default="1600x1000", help="size of the virtual screen")
    parser.add_argument("--scale", default="1", help="scale factor of the screen")
    parser.add_argument("--theme", default="default", help="QGIS's theme, for example 'Night Mode'")
    parser.add_argument("--steps", default="", help="tour: further steps, see tour.py")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sarto-qgis-", ignore_cleanup_errors=True) as temporary:
        kept = ROOT / ".qgis" if args.what == "open" else Path(temporary)
        make_profile(kept, args.theme)
        return open_qgis(args, kept) if args.what == "open" else run_tour(args, kept)


def make_profile(folder: Path, theme: str) -> None:
    """A QGIS profile in which the plugin is switched on."""
    profile = folder / "profiles" / "sarto"
    plugins = profile / "python" / "plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    link = plugins / "sarto"
    if not link.exists():
        link.symlink_to(ROOT, target_is_directory=True)
    ini = profile / "QGIS" / "QGIS3.ini"
    if not ini.exists():
        ini.parent.mkdir(parents=True, exist_ok=True)
        ini.write_text(INI.format(theme=theme), encoding="utf-8")


def command(args: argparse.Namespace, folder: Path) -> list[str]:
    """QGIS's command line."""
    qgis = shutil.which("qgis")
    if qgis is None:
        sys.exit("desktop: QGIS was not found.")
    screen = ["xvfb-run", "-a", "-s", f"-screen 0 {args.screen}x24 +extension GLX"] if args.virtual else []
    quiet = ["--nologo", "--noversioncheck", "--nocustomization"]
    return [*screen, qgis, *quiet, "--profiles-path", str(folder), "--profile", "sarto"]


def open_qgis(args: argparse.Namespace, folder: Path) -> int:
    """On the screen, with both layers; the optical one below."""
    return subprocess.run([*command(args, folder), str(args.optical), str(args.sar)]).returncode


def run_tour(args: argparse.Namespace, folder: Path) -> int:
    """Let QGIS do the tour; says what came out."""
    args.out.mkdir(parents=True, exist_ok=True)
    summary = args.out / "tour.json"
    summary.unlink(missing_ok=True)
    width, height = args.screen.split("x")
    environment = {
        **os.environ,
        "SARTO_TOUR": json.dumps(
            {
                "optical": str(args.optical.resolve()),
                "sar": str(args.sar.resolve()),
                "out": str(args.out.resolve()),
                "size": [int(width), int(height)],
                "steps": args.steps.split(","),
            }
        ),
        "QT_SCALE_FACTOR": args.scale,
    }
    if args.virtual:
        environment.pop("QT_QPA_PLATFORM", None)
    log = args.out / "qgis.log"
    with log.open("w", encoding="utf-8") as stream:
        line = [*command(args, folder), "--code", str(TOUR)]
        qgis = subprocess.Popen(
            line, env=environment, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            status = qgis.wait(LIMIT)
        except BaseException as error:  # also Ctrl-C: the virtual screen and QGIS are a group of their own
            os.killpg(qgis.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            print(f"desktop: QGIS did not come to an end within {LIMIT} s; see {log}", file=sys.stderr)
            return 1
    if not summary.is_file():
        print(f"desktop: QGIS ended (status {status}) before the tour did; see {log}", file=sys.stderr)
        return 1
    return report(json.loads(summary.read_text(encoding="utf-8")), args.out)


def report(summary: dict[str, object], out: Path) -> int:
    """Print the summary of a tour."""
    if summary.get("error"):
        print(f"desktop: the tour stopped: {summary['error']}", file=sys.stderr)
        return 1
    print(f"QGIS {summary['qgis']}: {summary['verdict']}, {summary['seconds']} s from the click to the layers.")
    print(f"Longest time without an answer of the window: {summary['longest_gap_ms']} ms.")
    print(f"Screenshots: {out}/*.png (the last one: {summary['last_screenshot']})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
