"""Reports to clusters: the owner of the database of feedback and clusters."""

import os

# The clustering engine has one core: OpenBLAS would start a thread for each, which costs many times the work itself.
# It reads this when numpy is first imported, whichever module does that.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
