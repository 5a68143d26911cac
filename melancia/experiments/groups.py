"""What is in an exception group."""


def first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first failure that is not a group itself."""
    found: BaseException = failures
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
