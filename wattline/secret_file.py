"""A password or token in a file of its own, so that it stands in no configuration and on no command line."""

from pathlib import Path

from wattline.errors import ConfigError


def read_secret(file: Path, where: str = "broker.password_file") -> str:
    """The first line of a file without its end; blanks belong to the secret.

    Args:
        file: UTF-8 text.
        where: What a mistake is reported under.

    Raises:
        ConfigError: It cannot be read; the text repeats nothing of the content.
    """
    try:
        text = file.read_text("utf-8")
    except OSError as error:
        raise ConfigError(where, f"cannot be read: {file}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(where, f"cannot be read: {file}: is not UTF-8") from None
    return text.partition("\n")[0].rstrip("\r")
