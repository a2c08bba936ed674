"""What went wrong, in one line: exit 2 when the caller can mend it, 1 when something else must."""

import sys
from collections.abc import Sequence
from typing import Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from proctor.domain.errors import InvalidInput, ProctorError
from proctor.settings import Settings

EXIT_FAILED = 1
EXIT_UNUSABLE = 2
EXIT_INTERRUPTED = 130


class OneLineErrors(TyperGroup):
    """A group of commands whose errors are one line on stderr and never a traceback of ours."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command; ends the process with its exit code."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        try:
            code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except typer.TyperException as error:
            if message := error.format_message():  # empty when the help was shown instead
                _tell(message)
            sys.exit(EXIT_UNUSABLE)
        except ProctorError as error:
            _tell(error.detail)
            sys.exit(EXIT_UNUSABLE if isinstance(error, InvalidInput) else EXIT_FAILED)
        except OSError as error:
            if error.filename is None:
                raise
            _tell(f"{error.filename}: {error.strerror}")
            sys.exit(EXIT_UNUSABLE)
        except (typer.Abort, KeyboardInterrupt):
            _tell("interrupted")
            sys.exit(EXIT_INTERRUPTED)
        sys.exit(code if isinstance(code, int) else 0)


def _tell(message: str) -> None:
    typer.echo(f"proctor: {' '.join(message.split())}", err=True)


def read_settings() -> Settings:
    """The settings of the environment. Raises `InvalidInput` naming the first that is wrong."""
    try:
        settings = Settings()
        settings.resolved()
    except ValidationError as error:
        wrong = error.errors()[0]
        name = "__".join(str(part) for part in wrong["loc"]).upper()
        raise InvalidInput(f"PROCTOR_{name}: {wrong['msg']}") from None
    except (ValueError, RuntimeError) as error:  # a list that is no JSON, `.env` no text, `~nobody`
        raise InvalidInput(f"the settings cannot be read: {error}") from None
    return settings
