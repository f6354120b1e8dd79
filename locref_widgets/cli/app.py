"""``locref …``: every command is one call into the package.

Exit status 0: done; 2: wrong input, one message on stderr; 1: the results could not be written, or
a fault of ours; 130: interrupted, and the run can be resumed.
"""

import json
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from locref_widgets.errors import InputError, OutputError

INTERRUPTED = 130


class _Commands(TyperGroup):
    """Turns the errors meant for a user into one message and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (InputError, OutputError) as error:
            typer.echo(f"locref: {error}", err=True)
            raise typer.Exit(2 if isinstance(error, InputError) else 1) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=_Commands,
    name="locref",
    help="Local refinement of single-particle cryo-EM data.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def to_json(values: Any) -> str:
    """Write values as the text that ``--json`` prints."""
    return json.dumps(values, indent=2, ensure_ascii=False)
