"""What any Python has loaded before the first line of a program; imported first, so that it sees just that.

A function's own module may take the place of every other module of the standard library, as it may anywhere.
"""

import site
import sys

# `exit` and `quit` as in any Python; the rest of `site` is about paths that a sandbox does not have.
site.setquit()

MODULES = frozenset(sys.modules)
