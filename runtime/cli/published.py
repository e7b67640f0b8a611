"""The verbs `cmt weights list`, `get`, `path` and `remove`: published weights by name."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path
from typing import Annotated, Any

import typer

from cmt_dsl.caches import VARIABLE
from cmt_dsl.draw.units import plain
from cmt_dsl.errors import CmtError
from runtime.cli.options import Json
from runtime.cli.terminal import Status, console_for, say
from runtime.published.cache import Cache, open_cache
from runtime.published.listing import Published, find, published
from runtime.published.meter import size
from runtime.published.reference import PREFIX, fetched

app = typer.Typer(
    name="weights", help="Published weights by name: list, fetch, remove.", no_args_is_help=True
)

CacheDir = Annotated[
    Path | None,
    typer.Option("--cache", metavar="DIR", help="Where fetched files are kept; default: see `path`."),
]
Lists = Annotated[
    list[Path] | None,
    typer.Option("--list", metavar="FILE", help="A list of your own beside the shipped one. Repeatable."),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="As `cmt weights list` shows it.")]


@app.command("list")
def list_(lists: Lists = None, cache: CacheDir = None, as_json: Json = False) -> None:
    """Show what is published, by whom, under which licence, and what is here."""
    known, place = published(tuple(lists or ())), open_cache(cache)
    strays = [name for name in place.names() if name not in known]
    if as_json:
        told = [{**each.json(), **_here(place, each.name)} for each in known.values()]
        told += [{"name": name, "list": None, **_here(place, name)} for name in strays]
        typer.echo(json.dumps(told))
        return
    typer.echo(_row("name", "profile", "top-1", "licence", "download", "here"))
    for each in known.values():
        _print(each, place)
    for name in strays:
        typer.echo(f"{name}: here, but in no list")


def _here(cache: Cache, name: str) -> dict[str, Any]:
    """What the cache has of a name: its file, what was noted of it, bytes of an unfinished download."""
    part, seen = cache.file(name, ".part"), cache.record(name)
    return {
        "file": str(cache.file(name)) if cache.has(name) else None,
        "seen": vars(seen) if seen else None,
        "part": part.stat().st_size if part.is_file() else 0,
    }


def _row(*cells: str) -> str:
    widths = (20, 10, 7, 12, 11)
    return "".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=False)) + cells[-1]


def _print(each: Published, cache: Cache) -> None:
    entry, here = each.entry, _here(cache, each.name)
    count = entry.bytes or (here["seen"] or {}).get("bytes")
    state = "yes" if here["file"] else f"{size(here['part'])} of it" if here["part"] else "no"
    top1 = "" if each.top1 is None else f"{each.top1:.2f}"
    typer.echo(
        _row(each.name, entry.profile or "", top1, plain(entry.license), size(count) if count else "", state)
    )
    typer.echo(f"  {entry.url or entry.page}")
    if entry.page:
        typer.echo("  a page: to be fetched by hand, and given by --from FILE")
    for text in (f"address: {entry.read_in}", entry.note):
        if text:
            typer.echo(textwrap.fill(plain(text), 80, initial_indent="  ", subsequent_indent="  "))


@app.command()
def get(
    name: Name,
    given: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="The file itself; then without network.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Fetch it although it is here.")] = False,
    sha256: Annotated[
        str | None,
        typer.Option(
            metavar="DIGEST", help="Accept the file of this digest, though another was seen or listed."
        ),
    ] = None,
    tries: Annotated[int, typer.Option(min=1, max=100, help="Attempts that bring nothing further.")] = 5,
    stall: Annotated[float, typer.Option(min=0.1, help="Seconds without data that end an attempt.")] = 30,
    lists: Lists = None,
    cache: CacheDir = None,
    as_json: Json = False,
) -> None:
    """Fetch published weights, check them against the model and keep them.

    An unfinished download goes on where it was stopped.
    """
    from runtime.published.download import Patience  # the network, for who asks for it
    from runtime.published.take import get as fetch

    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{8,64}", sha256):
        raise typer.BadParameter("--sha256 takes at least 8 of the 64 hexadecimal digits")
    name = name.removeprefix(PREFIX)
    what, place, console = find(name, tuple(lists or ())), open_cache(cache), console_for(as_json)
    try:
        with Status(console) as now:

            def tell(text: str, step: bool) -> None:
                now.tell(f"{name}: {text}", step=step)

            if given is None and what.entry.url and not place.has(name):
                tell(f"fetching {what.entry.url}", True)
            taken = fetch(what, place, tell, given=given, sha256=sha256, again=overwrite,
                          patience=Patience(tries, stall))  # fmt: skip
    except KeyboardInterrupt:
        part = place.file(name, ".part")
        kept = f"; the same command goes on from {size(part.stat().st_size)}" if part.is_file() else ""
        say(console, f"stopped{kept}")
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps({"name": name, **taken.json()}))
        return
    for note in taken.notes:
        say(console, note)
    say(
        console,
        f"{name} {'is here already' if taken.already else 'is here now'}: {size(taken.bytes)} from {taken.source}",
    )
    say(console, f"  sha256 {taken.sha256}")
    say(console, f"  {taken.file}")
    say(console, f"  use it as {PREFIX}{name}{_where(cache)}")


def _where(cache: Path | None) -> str:
    return "" if open_cache(cache) == open_cache() else f", with {VARIABLE}={cache} in the environment"


@app.command()
def path(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Of fetched weights.")] = None,
    cache: CacheDir = None,
    as_json: Json = False,
) -> None:
    """Print the folder of fetched weights, or the file of NAME.

    It is DIR/weights of --cache DIR, else of CMT_CACHE, else of cmt-dsl in XDG_CACHE_HOME or ~/.cache.
    """
    place = open_cache(cache)
    found = place.folder if name is None else fetched(name, place)
    typer.echo(json.dumps({"path": str(found)}) if as_json else str(found))


@app.command()
def remove(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME…", help="Of fetched weights.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All of them, and what is known of their digests.")
    ] = False,
    cache: CacheDir = None,
    as_json: Json = False,
) -> None:
    """Delete fetched weights and unfinished downloads.

    The digest of a file stays known unless --all is given.
    """
    if bool(names) == everything:
        raise typer.BadParameter("give NAMEs, or --all")
    place, freed = open_cache(cache), {}
    for name in place.known() if everything else dict.fromkeys(names or ()):
        if name not in place.known():
            raise CmtError(
                "CMT-651", f"nothing of {name[:64]!r} is in {place.folder}", hint="cmt weights list"
            )
        freed[name] = place.remove(name, forget=everything)
    if everything:
        place.dissolve()
    if as_json:
        typer.echo(json.dumps({"removed": freed, "bytes": sum(freed.values())}))
        return
    for name, count in freed.items():
        typer.echo(f"{name}: {size(count)} removed")
    if everything:
        typer.echo(f"{place.folder} is empty" if not freed else f"{place.folder}: nothing is left")
