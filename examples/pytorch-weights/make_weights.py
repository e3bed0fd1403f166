"""Makes weights.safetensors and expected.safetensors: what a PyTorch user of
ndrplz/ConvLSTM_pytorch has in a state dict, and what such a model computes with it.

Run: python3 examples/pytorch-weights/make_weights.py
"""

import json
import pathlib
import struct

import torch
from torch import nn

HERE = pathlib.Path(__file__).parent
INPUT_DIM, HIDDEN_DIM, KERNEL = 2, [6, 4], 3


class Cell(nn.Module):
    def __init__(self, input_dim, hidden_dim):
        super().__init__()
        self.hidden_dim = hidden_dim
        self.conv = nn.Conv2d(input_dim + hidden_dim, 4 * hidden_dim, KERNEL, padding=KERNEL // 2)

    def forward(self, x, h, c):
        i, f, o, g = torch.split(self.conv(torch.cat([x, h], dim=1)), self.hidden_dim, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        inputs = [INPUT_DIM, *HIDDEN_DIM[:-1]]
        self.cell_list = nn.ModuleList(Cell(*dims) for dims in zip(inputs, HIDDEN_DIM))

    def forward(self, x):
        for cell in self.cell_list:
            h = c = x.new_zeros(x.shape[0], cell.hidden_dim, *x.shape[3:])
            outputs = []
            for t in range(x.shape[1]):
                h, c = cell(x[:, t], h, c)
                outputs.append(h)
            x = torch.stack(outputs, dim=1)
        return x


def save_file(tensors, path):
    """safetensors.torch.save_file, for where that package is not installed."""
    header, parts, offset = {}, [], 0
    for name, tensor in tensors.items():
        content = tensor.detach().contiguous().numpy().tobytes()
        header[name] = {'dtype': 'F32', 'shape': list(tensor.shape),
                        'data_offsets': [offset, offset + len(content)]}
        parts.append(content)
        offset += len(content)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack('<Q', len(text)) + text + b''.join(parts))


def main():
    torch.manual_seed(0)
    model = Model()
    x = torch.randn(1, 4, INPUT_DIM, 9, 8)
    save_file(model.state_dict(), HERE / 'weights.safetensors')
    save_file({'x': x, 'y': model(x)}, HERE / 'expected.safetensors')


if __name__ == '__main__':
    main()
