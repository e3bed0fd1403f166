"""A training step of PyTorch on the CPU, by the bench's protocol (protocol.mjs): zero_grad, forward,
the mean square of the output, backward, Adam's step. Variants:

eager, eager-nhwc   the module as people write it, contiguous or channels-last
hoisted             the convolution over x done for all steps at once
scripted            TorchScript
bf16, bf16-nhwc     model and input in bfloat16
autocast            float32 parameters, bfloat16 convolutions
"""
import torch
from pytorch import serve


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


def load(variant, net, inputs):
    """Returns a function that trains one step, and the gradients of the first."""
    if variant == 'scripted':
        net = torch.jit.script(net)
    adam = torch.optim.Adam(net.parameters(), lr=1e-4)

    def run():
        adam.zero_grad(set_to_none=True)
        with torch.autocast('cpu', dtype=torch.bfloat16, enabled=variant == 'autocast'):
            out = net(*inputs)
        loss = out.float().square().mean()
        del out
        loss.backward()
        adam.step()
        return loss.item()

    run()
    return run, gradients(net)


if __name__ == '__main__':
    serve(load)
