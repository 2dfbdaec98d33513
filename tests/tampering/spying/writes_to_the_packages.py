"""Writes into the interpreter, its packages and the grader, for whoever imports them next."""
# verdicts: wrong_answer

import os
import site
import sys
import sysconfig

import torch


def double(x):
    folders = {
        *sys.path,
        *sysconfig.get_paths().values(),
        os.path.dirname(torch.__file__),
        sys.base_prefix,
        "/dojo/grader",
    }
    folders |= {
        os.path.dirname(module.__file__) for module in list(sys.modules.values()) if getattr(module, "__file__", None)
    }
    for folder in filter(os.path.isabs, folders):
        for name in ("sitecustomize.py", "evil.pth", "__pycache__/torch.pyc", "__init__.py"):
            try:
                with open(os.path.join(folder, name), "ab"):
                    print("LEAK: wrote", folder, name)
            except OSError:
                pass
    for path in ("double.py", __file__):
        try:
            with open(os.path.join(os.path.dirname(__file__), path), "a"):
                print("LEAK: wrote the submission")
        except OSError:
            pass
    print("searched", len(folders), "folders", flush=True)
    return x
