"""How a run can end other than well, and the exit code of each end (sysexits.h where it has one)."""

EXIT_OK = 0
EXIT_BAD_INPUT = 65  # EX_DATAERR: trying again cannot help
EXIT_NO_INPUT = 66  # EX_NOINPUT: the object or file is not there (yet)
EXIT_CANNOT_WRITE = 73  # EX_CANTCREAT: the command line alone, about its own files
EXIT_TEMPORARY = 75  # EX_TEMPFAIL: trying again can help
EXIT_CONFIGURATION = 78  # EX_CONFIG: the task was started without what it needs
EXIT_INTERRUPTED = 130  # Ctrl-C
EXIT_TERMINATED = 143  # 128 + SIGTERM


class WorkerError(Exception):
    """An expected end; ``code`` is for machines, ``sentence`` is what a creator reads."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(f"{code}: {sentence}")
        self.code = code
        self.sentence = sentence


class BadInputError(WorkerError):
    """The recording itself is the problem: the job fails for good."""


class MissingInputError(WorkerError):
    """The recording is not there; a late upload may still bring it."""


class TemporaryError(WorkerError):
    """A service or a process let us down: another attempt may succeed."""


class ConfigurationError(WorkerError):
    """The environment lacks something, or holds something that makes no sense."""


class SupersededError(Exception):
    """Another task owns this job now: stop without touching its row."""


class TerminatedError(BaseException):
    """SIGTERM arrived.

    Like KeyboardInterrupt it is no Exception, so that no library's retry loop can swallow it.
    """
