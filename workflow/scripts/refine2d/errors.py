"""The one exception that the user is meant to read."""


class UserError(Exception):
    """Something in the user's files or options is wrong.

    The message is one clear sentence: which file, option or image, what is wrong with it, what to do.
    Scripts print the message alone, without a traceback.
    """


class Damaged(UserError):
    """A file of the run is not what was written; `paths` are the files that have to be made again."""

    def __init__(self, message: str, *paths):
        super().__init__(message)
        self.paths = paths
