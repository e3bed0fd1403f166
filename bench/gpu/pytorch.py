"""PyTorch on a GPU, the workloads of test/cuda/conv_lstm_bench.cc and of convlstm.mjs beside it: one
line of JSON each.

The ndrplz-style module, layer after layer, eager, channels_last, torch.compile of the cell and CUDA
graphs of each, with float32, TF32 and bfloat16 autocast. Times are of the device, by events: the median of many calls
after a warm-up, inputs rotated. Every variant's result is compared with the eager float32 one before
it is timed. What convlstm.mjs times, a streaming step from host memory to host memory and a training
step, is timed by the clock. First come the limits of the GPU: large matrix products and copies.

    python3 pytorch.py [sequences] [host] [WORKLOAD ...]
"""
import copy
import functools
import json
import sys
import time as clock

import torch
from torch import nn

# name: batch, time, inputs, hidden of each layer, size, kernel
WORKLOADS = {
    'W1': (1, 10, 1, [64], 64, 3),
    'X1': (1, 10, 64, [64], 64, 3),
    'W2': (8, 10, 16, [128, 64, 64], 16, 5),
    'W3': (1, 8, 3, [64, 64, 128], 64, 3),
    'W4a': (1, 1, 8, [64], 480, 3),
    'W4b': (1, 1, 8, [64], 96, 3),
    'W4c': (1, 1, 192, [192], 32, 3),
    'step 64x64': (1, 1, 64, [64], 64, 3),
    'batch 64': (64, 10, 64, [64], 64, 3),
    'ConvLSTM-S': (16, 10, 128, [128] * 4, 16, 5),
}
TOLERANCE = {'float32': 1e-4, 'tf32': 5e-3, 'bfloat16': 1e-1}


class Layer(nn.Module):
    def __init__(self, inputs, hidden, kernel):
        super().__init__()
        self.conv = nn.Conv2d(inputs + hidden, 4 * hidden, kernel, padding=kernel // 2)

    def cell(self, x, h, c):
        i, f, o, g = torch.chunk(self.conv(torch.cat([x, h], 1)), 4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    def forward(self, x, h, c):
        outputs = []
        for t in range(x.shape[1]):
            h, c = self.cell(x[:, t], h, c)
            outputs.append(h)
        return torch.stack(outputs, 1)


class Stack(nn.Module):
    def __init__(self, inputs, hidden, kernel):
        super().__init__()
        self.layers = nn.ModuleList(
            Layer(i, h, kernel) for i, h in zip([inputs] + hidden, hidden))

    def forward(self, x, *states):
        for k, layer in enumerate(self.layers):
            x = layer(x, states[2 * k], states[2 * k + 1])
        return x


def graphed(run, inputs):
    """The call as a CUDA graph that is given its inputs by copy."""
    held = [value.clone() for value in inputs]
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            run(*held)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = run(*held)

    def replay(*values):
        for to, value in zip(held, values):
            to.copy_(value)
        graph.replay()
        return result

    return replay


def measure(run, sets, calls=60, warm_up=10):
    times = []
    for k in range(calls):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run(*sets[k % len(sets)])
        end.record()
        end.synchronize()
        if k >= warm_up:
            times.append(begin.elapsed_time(end))
    return sorted(times)[len(times) // 2]


@torch.no_grad()
def bench(name, batch, time, inputs, hidden, size, kernel):
    torch.manual_seed(1)
    plain = Stack(inputs, hidden, kernel).cuda().eval()
    states = [(batch, h, size, size) for h in hidden for _ in range(2)]
    sets = [
        (torch.rand(batch, time, inputs, size, size, device='cuda'),
         *(torch.rand(state, device='cuda') * 2 - 1 for state in states))
        for _ in range(3)
    ]
    last = Stack(inputs, hidden, kernel).cuda().eval().to(memory_format=torch.channels_last)
    last.load_state_dict(plain.state_dict())
    flops = sum(2 * batch * time * size ** 2 * (i + h) * kernel ** 2 * 4 * h
                for i, h in zip([inputs] + hidden, hidden))
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    expected = plain(*sets[0])
    for precision in TOLERANCE:
        tf32 = precision == 'tf32'
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
        autocast = torch.autocast('cuda', torch.bfloat16, enabled=precision == 'bfloat16')
        torch._dynamo.reset()

        def called(module):
            def run(*values):
                with autocast:
                    return module(*values)
            return run

        @functools.cache
        def compiled(module):
            made = copy.deepcopy(module)
            for layer in made.layers:
                layer.cell = torch.compile(layer.cell)
            return called(made)

        variants = {
            'eager': lambda: called(plain),
            'channels_last': lambda: called(last),
            'graph': lambda: graphed(called(plain), sets[0]),
            'graph, channels_last': lambda: graphed(called(last), sets[0]),
            'compile': lambda: compiled(plain),
            'compile, graph': lambda: graphed(compiled(plain), sets[0]),
            'compile, graph, channels_last': lambda: graphed(compiled(last), sets[0]),
        }
        for variant, make in variants.items():
            line = {'workload': name, 'precision': precision, 'variant': variant}
            try:
                run = make()
                error = (run(*sets[0]).float() - expected).abs().max().item()
                line['error'] = error
                if not error <= TOLERANCE[precision]:
                    line['wrong'] = True
                else:
                    line['ms'] = round(measure(run, sets), 5)
                    line['tflops'] = round(flops / line['ms'] / 1e9, 2)
            except Exception as failure:  # a variant that this PyTorch cannot run is told, not hidden
                line['failed'] = str(failure).splitlines()[0][:200]
            print(json.dumps(line), flush=True)


STEPS = ('W4b', 'W4c', 'step 64x64')
STACKS = ('W1', 'W2')


def by_the_clock(run, calls):
    times = []
    for k in range(calls + calls // 5):
        begin = clock.perf_counter()
        run()
        if k >= calls // 5:
            times.append(1000 * (clock.perf_counter() - begin))
    return sorted(times)[calls // 2]


def report(line, make, calls):
    torch._dynamo.reset()
    try:
        line['ms'] = round(by_the_clock(make(), calls), 5)
    except Exception as failure:
        line['failed'] = str(failure).splitlines()[0][:200]
    print(json.dumps(line), flush=True)


def stream(name, precision, variant):
    batch, _, inputs, (hidden,), size, kernel = WORKLOADS[name]
    module = Layer(inputs, hidden, kernel).cuda().eval()
    state = torch.zeros(batch, hidden, size, size, device='cuda')
    frame = torch.full((batch, 1, inputs, size, size), 0.5).pin_memory()
    if 'channels_last' in variant:
        module = module.to(memory_format=torch.channels_last)

    @torch.no_grad()
    def step(x, h, c):
        with torch.autocast('cuda', torch.bfloat16, enabled=precision == 'bfloat16'):
            return module.cell(x[:, 0], h, c)

    called = {'compile': lambda: torch.compile(step),
              'compile, graph': lambda: torch.compile(step, mode='reduce-overhead'),
              'graph': lambda: graphed(step, (frame.cuda(), state, state))}.get(variant, lambda: step)()
    held = [state, state]

    def run():
        h, c = called(frame.to('cuda', non_blocking=True), *held)
        held[:] = h.clone(), c.clone()
        return h.float().cpu()

    return run


def training(name, precision, variant):
    batch, time, inputs, hidden, size, kernel = WORKLOADS[name]
    net = Stack(inputs, hidden, kernel).cuda()
    if 'channels_last' in variant:
        net = net.to(memory_format=torch.channels_last)
    x = torch.rand(batch, time, inputs, size, size, device='cuda')
    zeros = [torch.zeros(batch, h, size, size, device='cuda') for h in hidden for _ in range(2)]
    adam = torch.optim.Adam(net.parameters(), lr=1e-4, fused=True)

    def forward(x):
        return net(x, *zeros).float().square().mean()

    called = torch.compile(forward) if variant == 'compile' else forward

    def run():
        adam.zero_grad(set_to_none=True)
        with torch.autocast('cuda', torch.bfloat16, enabled=precision == 'bfloat16'):
            loss = called(x)
        loss.backward()
        adam.step()
        return loss.item()

    return run


def from_the_host():
    for precision in TOLERANCE:
        tf32 = precision == 'tf32'
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
        for name in STEPS:
            for variant in ('eager', 'channels_last', 'graph', 'compile', 'compile, graph'):
                line = {'kind': 'step', 'workload': name, 'precision': precision, 'variant': variant}
                report(line, lambda: stream(name, precision, variant), 200)
        for name in STACKS:
            for variant in ('eager', 'channels_last', 'compile'):
                line = {'kind': 'training', 'workload': name, 'precision': precision,
                        'variant': variant}
                report(line, lambda: training(name, precision, variant), 20)


def limits():
    """What the GPU does at its best, measured: dense products, float32 without TF32, and copies."""
    size = 8192
    for precision, kind in (('float32', torch.float32), ('tf32', torch.float32),
                            ('bfloat16', torch.bfloat16)):
        torch.backends.cuda.matmul.allow_tf32 = precision == 'tf32'
        sets = [(torch.rand(size, size, device='cuda', dtype=kind),
                 torch.rand(size, size, device='cuda', dtype=kind)) for _ in range(2)]
        ms = measure(torch.matmul, sets, 30)
        print(json.dumps({'limit': precision, 'tflops': round(2e-9 * size ** 3 / ms, 1)}), flush=True)
    sets = [(torch.empty(2 ** 28, device='cuda'), torch.rand(2 ** 28, device='cuda'))]
    ms = measure(lambda to, value: to.copy_(value), sets, 30)
    print(json.dumps({'limit': 'memory', 'gbs': round(2 * 4 * 2 ** 28 / ms / 1e6)}), flush=True)


SEQUENCES = ('W1', 'W3', 'W2', 'batch 64', 'ConvLSTM-S')  # that have a target


def main():
    asked = sys.argv[1:] or ['sequences', 'host']
    print(json.dumps({'torch': torch.__version__, 'cudnn': torch.backends.cudnn.version(),
                      'gpu': torch.cuda.get_device_name()}), flush=True)
    if 'sequences' in asked:
        limits()
    for name in WORKLOADS:
        if name in asked or ('sequences' in asked and name in SEQUENCES):
            bench(name, *WORKLOADS[name])
    if 'host' in asked:
        from_the_host()


if __name__ == '__main__':
    main()
