"""PyTorch on the CPU, by the bench's protocol (protocol.mjs). Variants:

eager, eager-nhwc   the module as people write it, contiguous or channels-last
hoisted             the convolution over x done for all steps at once
scripted, traced    TorchScript, frozen and optimised for inference
bf16, bf16-nhwc     eager in bfloat16
"""
import ctypes
import gc
import os
import re
import sys
import time
from typing import List

import numpy as np
import torch
from torch import nn


class Cell(nn.Module):
    def __init__(self, weight, bias):
        super().__init__()
        self.hidden = weight.shape[0] // 4
        kernel = weight.shape[2]
        self.conv = nn.Conv2d(weight.shape[1], weight.shape[0], kernel, padding=kernel // 2)
        self.conv.weight.data.copy_(weight)
        self.conv.bias.data.copy_(bias)

    def forward(self, x, h, c):
        i, f, o, g = torch.chunk(self.conv(torch.cat([x, h], 1)), 4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class Layer(nn.Module):
    def __init__(self, weight, bias):
        super().__init__()
        self.cell = Cell(weight, bias)

    def forward(self, x, h, c):
        out: List[torch.Tensor] = []
        for t in range(x.shape[1]):
            h, c = self.cell(x[:, t], h, c)
            out.append(h)
        return torch.stack(out, 1)


class HoistedLayer(nn.Module):
    def __init__(self, weight, bias):
        super().__init__()
        input_dim = weight.shape[1] - weight.shape[0] // 4
        self.weight_x = nn.Parameter(weight[:, :input_dim].contiguous())
        self.weight_h = nn.Parameter(weight[:, input_dim:].contiguous())
        self.bias = nn.Parameter(bias)
        self.padding = weight.shape[2] // 2

    def forward(self, x, h, c):
        batch, steps = x.shape[:2]
        of_x = torch.conv2d(x.flatten(0, 1), self.weight_x, self.bias, padding=self.padding)
        of_x = of_x.unflatten(0, (batch, steps))
        out = []
        for t in range(steps):
            z = of_x[:, t] + torch.conv2d(h, self.weight_h, None, padding=self.padding)
            i, f, o, g = torch.chunk(z, 4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            out.append(h)
        return torch.stack(out, 1)


class Net(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x, h: List[torch.Tensor], c: List[torch.Tensor]):
        for k, layer in enumerate(self.layers):
            x = layer(x, h[k], c[k])
        return x


def build_conv2d(folder, variant, batch, _steps, height, width, kernel, input_dim, output_dims):
    """Returns the module and x as the variant has them."""
    outputs = output_dims[0]
    conv = nn.Conv2d(input_dim, outputs, kernel, padding=kernel // 2)
    conv.weight.data.copy_(read(f'{folder}/w0', [outputs, input_dim, kernel, kernel]))
    conv.bias.data.copy_(read(f'{folder}/b0', [outputs]))
    x = read(f'{folder}/x', [batch, input_dim, height, width])
    if variant.startswith('bf16'):
        conv, x = conv.to(torch.bfloat16), x.to(torch.bfloat16)
    if variant.endswith('nhwc'):
        nhwc = torch.channels_last
        conv, x = conv.to(memory_format=nhwc), x.contiguous(memory_format=nhwc)
    return conv, (x,)


def read(name, shape):
    path = f'{name}.f32'
    if not os.path.exists(path):
        return torch.zeros(shape)
    return torch.from_numpy(np.fromfile(path, dtype='<f4').reshape(shape))


def build(folder, variant, batch, steps, height, width, kernel, input_dim, hidden_dims):
    """Returns the model and x, h, c as the variant has them."""
    image = [height, width]
    layer_class = HoistedLayer if variant == 'hoisted' else Layer
    layers, h, c = [], [], []
    x = read(f'{folder}/x', [batch, steps, input_dim, *image])
    for k, hidden in enumerate(hidden_dims):
        weight = read(f'{folder}/w{k}', [4 * hidden, input_dim + hidden, kernel, kernel])
        layers.append(layer_class(weight, read(f'{folder}/b{k}', [4 * hidden])))
        h.append(read(f'{folder}/h{k}', [batch, hidden, *image]))
        c.append(read(f'{folder}/c{k}', [batch, hidden, *image]))
        input_dim = hidden
    net = Net(layers)
    if variant.startswith('bf16'):
        net, x = net.to(torch.bfloat16), x.to(torch.bfloat16)
        h, c = [[s.to(torch.bfloat16) for s in states] for states in (h, c)]
    if variant.endswith('nhwc'):
        nhwc = torch.channels_last
        net = net.to(memory_format=nhwc)
        x = x.flatten(0, 1).contiguous(memory_format=nhwc).unflatten(0, (batch, steps))
        h, c = [[s.contiguous(memory_format=nhwc) for s in states] for states in (h, c)]
    return net, (x, h, c)


def load(variant, net, inputs):
    """Returns a function that runs the model once, and its first output, row-major float32."""
    net.eval()
    if variant == 'scripted':
        net = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.script(net)))
    if variant == 'traced':
        net = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(net, inputs)))

    def run():
        with torch.inference_mode():
            return net(*inputs).float().contiguous()

    first = run()
    for _ in range(2):  # TorchScript compiles on the first runs
        run()
    return run, first


def peak_mib():
    with open('/proc/self/status', encoding='utf-8') as status:
        return round(int(re.search(r'VmHWM:\s*(\d+)', status.read())[1]) / 1024)


def serve(load):
    """`load` takes the variant and what `build` returns; it gives what is timed, and the first output."""
    torch.set_num_threads(int(os.environ['BENCH_THREADS']))
    answers = os.fdopen(os.dup(1), 'w', buffering=1)
    os.dup2(2, 1)  # what PyTorch prints must not look like an answer
    run = first = None
    for line in sys.stdin:
        command, *words = line.split()
        try:
            answer = ''
            if command == 'version':
                answer = f'PyTorch {torch.__version__}'
            elif command in ('load', 'conv2d'):
                folder, variant, *sizes, hidden_dims = words
                run = first = None
                hidden_dims = [int(n) for n in hidden_dims.split(',')]
                make = build if command == 'load' else build_conv2d
                run, first = load(variant, *make(folder, variant, *map(int, sizes), hidden_dims))
            elif command == 'output':
                first.numpy().tofile(words[0])
            elif command == 'peak':
                first = None
                gc.collect()
                ctypes.CDLL('libc.so.6').malloc_trim(0)
                with open('/proc/self/clear_refs', 'w', encoding='utf-8') as forget:
                    forget.write('5')
                for _ in range(int(words[0])):
                    run()
                answer = str(peak_mib())
            else:
                samples = []
                for _ in range(int(words[0])):
                    start = time.perf_counter()
                    run()
                    samples.append(f'{(time.perf_counter() - start) * 1e3:.4f}')
                answer = ' '.join(samples)
            print('ok', answer, file=answers)
        except Exception as error:
            print('error', ' '.join(str(error).split()), file=answers)


if __name__ == '__main__':
    serve(load)
