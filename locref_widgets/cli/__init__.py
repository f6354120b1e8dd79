"""The command line. Each module of commands registers its own with the one `app`."""

# In the order in which the help lists their commands.
from locref_widgets.cli import run_commands as run_commands  # isort: skip
from locref_widgets.cli import sweep_commands as sweep_commands  # isort: skip
from locref_widgets.cli import particle_commands as particle_commands  # isort: skip
from locref_widgets.cli import mask_commands as mask_commands  # isort: skip
from locref_widgets.cli import data_commands as data_commands  # isort: skip
from locref_widgets.cli import fsc_commands as fsc_commands  # isort: skip
from locref_widgets.cli import convert_commands as convert_commands  # isort: skip
from locref_widgets.cli.app import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line."""
    app(prog_name="locref")
