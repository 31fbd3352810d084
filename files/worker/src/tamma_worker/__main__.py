"""Entry point: ``python -m tamma_worker`` is the task, ``python -m tamma_worker clean …`` the command line."""

import os
import signal
import sys
from types import FrameType

from tamma_worker import errors


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    """Until the job has its own handler: stop even though PID 1 of a container ignores SIGTERM by default."""
    raise errors.TerminatedError


def main(arguments: list[str]) -> int:
    """Run and turn every expected end into its exit code and one sentence on standard error."""
    signal.signal(signal.SIGTERM, _terminate)
    # numpy starts a thread per core for linear algebra, of which there is none here
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        if not arguments:
            from tamma_worker import job  # cloud libraries take a second to import: the laptop does not need them

            return job.main()
        from tamma_worker import cli

        return cli.main(arguments)
    except errors.TerminatedError:
        return errors.EXIT_TERMINATED
    except KeyboardInterrupt:
        print("\nInterrupted; nothing was written.", file=sys.stderr)
        return errors.EXIT_INTERRUPTED
    except errors.WorkerError as error:
        print(error.sentence, file=sys.stderr)
        return _CODES.get(type(error), errors.EXIT_TEMPORARY)
    except OSError as error:
        print(f"{error.filename or 'This machine'}: {error.strerror}.", file=sys.stderr)
        return errors.EXIT_CANNOT_WRITE


_CODES: dict[type[errors.WorkerError], int] = {
    errors.BadInputError: errors.EXIT_BAD_INPUT,
    errors.MissingInputError: errors.EXIT_NO_INPUT,
    errors.ConfigurationError: errors.EXIT_CONFIGURATION,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
