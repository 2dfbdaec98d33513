"""What to think about when Python or torch raises an error that says little to whoever meets it first.

A clue asks for the cause. It names no line and no call that would mend it, and holds whatever the submission does.
"""

from __future__ import annotations

import re

CLUES = (
    (
        r"no attribute '_(modules|parameters|buffers|\w+_hooks\w*)'|before Module\.__init__\(\) call",
        "nn.Module keeps its records in attributes of its own. Who sets them up when your class is made?",
    ),
    (
        r"not NoneType|'NoneType' object|(and|for .*) 'NoneType'",
        "Something is None here. Was it never set to anything else, or did a function end without a return?",
    ),
    (
        r"shape '.*' is invalid for input of size",
        "How many elements does the input have, and how many does the new shape ask for? Which size is left out?",
    ),
    (
        r"view size is not compatible",
        "The memory is not in the order in which the elements are read. Which operations leave it so?",
    ),
    (
        r"must match the (size|existing size)|not broadcastable|Sizes of tensors must match|be broadcast",
        "Write the two shapes below each other, aligned at their right ends. Which sizes are neither equal nor 1?",
    ),
    (
        r"shapes cannot be multiplied|size mismatch|must have same size|expected input\[.*\] to have \d+ channels",
        "Write down the shape of what comes in, and the one that this layer was made for. Where do they part?",
    ),
    (
        r"on the (same|expected) device|at least two devices",
        "Print the device of each tensor in this line. Which of them should follow the other?",
    ),
    (
        r"does not require grad and does not have a grad_fn",
        "There is no graph behind this tensor. Was it cut off on the way here, or was nothing recorded at all?",
    ),
    (
        r"Trying to backward through the graph a second time",
        "A graph is let go once it has been used. Which value of an earlier step is still part of this one?",
    ),
    (
        r"a leaf Variable that requires grad|modified by an inplace operation",
        "This line writes into a tensor that autograd still needs. Which one, and should the write be recorded?",
    ),
    (
        r"same dtype|scalar types?|Found dtype|must have the same dtype|should be the same",
        "Print the dtype of each tensor in this line. Where does the odd one come from?",
    ),
    (r"Can't call numpy\(\) on Tensor that requires grad", "What does autograd know of a value that has left torch?"),
    (
        r"generator didn't (yield|stop)",
        "A context manager made of a generator gives way to the block at its yield. How often does yours come to one?",
    ),
    (
        r"has no len\(\)",
        "What can only be gone through has no length. What is it needed for, and can it be counted on the way?",
    ),
    (
        r"can't allocate memory|out of memory",
        "How many numbers does this tensor hold, and how many bytes are that? Is it needed as a whole?",
    ),
    (
        r"EOF when reading a line",
        "Nobody sits at a keyboard while tests run. What should this value come from instead?",
    ),
    (r"name '\w+' is not defined", "Where is this name given a value, and is that line run before this one?"),
    (
        r"division by zero|divide by zero",
        "There were none of what is divided by. When can that be, and what is due then?",
    ),
    (r"out of (bounds|range)", "How many are there, and which one is asked for? Can there be none at all?"),
    (r"maximum recursion depth", "Which function calls itself here, and what was to end that?"),
    (
        r"cannot access local variable|referenced before assignment",
        "On which way through the function does this name get no value?",
    ),
    (
        r"missing \d+ required positional argument|takes .* positional arguments? but",
        "Compare the call with the parameters: which is one too many, or missing?",
    ),
)


def clue(message: str) -> str:
    """A question that helps to understand an error's message, or nothing."""
    return next((question for pattern, question in CLUES if re.search(pattern, message)), "")
