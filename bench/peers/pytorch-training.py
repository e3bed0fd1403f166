"""A training step of PyTorch on the CPU, by the bench's protocol (protocol.mjs): zero_grad, forward,
the mean square of the output, backward, Adam's step. Variants:

eager, eager-nhwc   the module as people write it, contiguous or channels-last
hoisted             the convolution over x done for all steps at once
scripted            TorchScript
bf16, bf16-nhwc     model and input in bfloat16
autocast            float32 parameters, bfloat16 convolutions
"""
import os
import re
import sys
import time

import torch
from pytorch import HoistedLayer, Layer, Net, read


def load(folder, variant, batch, steps, height, width, kernel, input_dim, hidden_dims):
    """Returns a function that trains one step, and the model."""
    image = [height, width]
    layer_class = HoistedLayer if variant == 'hoisted' else Layer
    layers, h, c = [], [], []
    x = read(f'{folder}/x', [batch, steps, input_dim, *image])
    for k, hidden in enumerate(hidden_dims):
        weight = read(f'{folder}/w{k}', [4 * hidden, input_dim + hidden, kernel, kernel])
        bias = read(f'{folder}/b{k}', [4 * hidden])
        if layer_class is HoistedLayer:
            layer = HoistedLayer(weight, bias)
            for name in ('weight_x', 'weight_h', 'bias'):
                parameter = torch.nn.Parameter(getattr(layer, name))
                delattr(layer, name)
                layer.register_parameter(name, parameter)
            layers.append(layer)
        else:
            layers.append(layer_class(weight, bias))
        h.append(torch.zeros([batch, hidden, *image]))
        c.append(torch.zeros([batch, hidden, *image]))
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
    if variant == 'scripted':
        net = torch.jit.script(net)
    adam = torch.optim.Adam(net.parameters(), lr=1e-4)

    def run():
        adam.zero_grad(set_to_none=True)
        with torch.autocast('cpu', dtype=torch.bfloat16, enabled=variant == 'autocast'):
            out = net(x, h, c)
        loss = out.float().square().mean()
        loss.backward()
        adam.step()
        return loss.item()

    return run, net


def gradients(net):
    """Those of the weights over cat(x, h) and of the biases, layer by layer, over the largest."""
    all_values = []
    for layer in net.layers:
        if hasattr(layer, 'cell'):
            parts = [layer.cell.conv.weight.grad, layer.cell.conv.bias.grad]
        else:
            parts = [torch.cat([layer.weight_x.grad, layer.weight_h.grad], 1), layer.bias.grad]
        all_values += [part.float().contiguous().flatten() for part in parts]
    values = torch.cat(all_values)
    return values / values.abs().max()


def peak_mib():
    with open('/proc/self/status', encoding='utf-8') as status:
        return round(int(re.search(r'VmHWM:\s*(\d+)', status.read())[1]) / 1024)


def main():
    torch.set_num_threads(int(os.environ['BENCH_THREADS']))
    answers = os.fdopen(os.dup(1), 'w', buffering=1)
    os.dup2(2, 1)  # what PyTorch prints must not look like an answer
    run = first = None
    for line in sys.stdin:
        command, *words = line.split()
        try:
            if command == 'version':
                answer = f'PyTorch {torch.__version__}'
            elif command == 'load':
                folder, variant, *sizes, hidden_dims = words
                run = first = None
                run, net = load(folder, variant, *map(int, sizes), [int(n) for n in hidden_dims.split(',')])
                run()
                first = gradients(net)
                answer = ''
            elif command == 'output':
                first.numpy().tofile(words[0])
                answer = ''
            elif command == 'peak':
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
    main()
