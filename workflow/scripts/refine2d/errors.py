"""The one exception that the user is meant to read."""


class UserError(Exception):
    """Something in the user's files or options is wrong.

    The message is one clear sentence: which file, option or image, what is wrong with it, what to do.
    Scripts print the message alone, without a traceback.
    """
