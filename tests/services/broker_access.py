"""Users and access rules for a mosquitto of the tests."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from wattline.local_servers import find_program


def access_lines(directory: Path, passwords: Mapping[str, str], acl: Sequence[str]) -> list[str]:
    """Write the password and access files and return the lines of `mosquitto.conf` that use them.

    Args:
        directory: Where the two files go.
        passwords: User name to password.
        acl: Lines of mosquitto's access file, such as `pattern write wattline/v1/%u/up/#`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    password_file = directory / "passwords"
    password_file.touch(mode=0o600)
    password_file.write_text("".join(f"{user}:{password}\n" for user, password in passwords.items()))
    program = find_program("mosquitto_passwd", "mosquitto")
    subprocess.run([program, "-U", password_file], check=True, capture_output=True, timeout=30)
    acl_file = directory / "acl"
    acl_file.touch(mode=0o600)
    acl_file.write_text("\n".join(acl) + "\n")
    return [f"password_file {password_file}", f"acl_file {acl_file}"]
