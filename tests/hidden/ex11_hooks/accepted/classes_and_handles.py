"""Context managers as classes with lists of handles, rows that begin with the first gradient, and a Function."""

import numpy as np
import torch
from torch.autograd.graph import register_multi_grad_hook


class Hooks:
    """Handles that are removed when the block ends."""

    def __enter__(self):
        self.handles = []
        try:
            return self.begin()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *error):
        for handle in reversed(self.handles):
            handle.remove()


class capture_activations(Hooks):
    def __init__(self, model, names):
        self.model, self.names = model, names

    def begin(self):
        layers = dict(self.model.named_modules(remove_duplicate=False))
        kept = {}
        for name in self.names:
            if name not in layers:
                raise ValueError(f"{name} is not in {sorted(layers)}")
            kept[name] = []
            self.handles.append(layers[name].register_forward_hook(self.keeper(kept[name])))
        return kept

    @staticmethod
    def keeper(outputs):
        def keep(module, inputs, output):
            outputs.append(torch.empty_like(output, requires_grad=False).copy_(output.detach()))

        return keep


class record_gradients(Hooks):
    def __init__(self, model):
        self.model = model

    def begin(self):
        rows = []
        everything = list(self.model.named_parameters())
        trained = [parameter for _, parameter in everything if parameter.requires_grad]

        def new_row(_):
            rows.append({name: None for name, _ in everything})

        self.handles.append(register_multi_grad_hook(trained, new_row, mode="any"))
        for name, parameter in everything:
            if parameter.requires_grad:
                self.handles.append(parameter.register_hook(lambda grad, name=name: self.note(rows, name, grad)))
        return rows

    @staticmethod
    def note(rows, name, grad):
        rows[-1][name] = float(torch.linalg.vector_norm(grad))


class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return ctx.factor * grad, None


def scale_gradient(x, factor):
    return Scale.apply(x, factor)


class freeze:
    def __init__(self, model, names):
        layers = dict(model.named_modules())
        missing = [name for name in names if name not in layers]
        if missing:
            raise ValueError(f"not there: {missing}")
        self.parts = [layers[name] for name in names]

    def __enter__(self):
        self.flags, self.handles, seen = [], [], set()
        for part in self.parts:
            for module in part.modules():
                if module in seen:
                    continue
                seen.add(module)
                for parameter in module.parameters(recurse=False):
                    self.flags.append((parameter, parameter.requires_grad))
                    parameter.requires_grad = False
                    parameter.grad = None
                if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                    self.handles += self.evaluated(module)
        return self

    @staticmethod
    def evaluated(norm):
        """In evaluation mode for as long as forward takes, so that nobody sees another mode than the model's."""
        modes = []

        def before(module, inputs):
            modes.append(module.training)
            module.training = False

        def after(module, inputs, output):
            module.training = modes.pop()

        return [
            norm.register_forward_pre_hook(before),
            norm.register_forward_hook(after, always_call=True),
        ]

    def __exit__(self, *error):
        for handle in self.handles:
            handle.remove()
        for parameter, flag in reversed(self.flags):
            parameter.requires_grad = flag


def layer_weights(model, name):
    try:
        weight = model.get_submodule(name).weight
    except AttributeError as error:
        raise ValueError(f"no weights in '{name}'") from error
    if weight is None:
        raise ValueError(f"the weight of '{name}' is None")
    kept = weight.dtype if weight.dtype != torch.bfloat16 else torch.float32
    return np.array(weight.detach().to("cpu", kept).tolist(), dtype=str(kept).removeprefix("torch."))
