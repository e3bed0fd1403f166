/**
 * One batch of a user's loop: zeroGrad, forward, mean square of the output, backward, the optimizer's
 * step, loss awaited.
 *
 * @param {import('../dist/index.js').ConvLSTM} net
 * @param {import('../dist/index.js').Tensor} x
 * @param {import('../dist/index.js').Adam} adam
 */
export async function trainingStep(net, x, adam) {
  adam.zeroGrad();
  const { outputs, states } = net.forward(x);
  const square = outputs[0].square();
  const loss = square.mean();
  for (const tensor of [square, ...outputs, ...states.flatMap(({ h, c }) => [h, c])]) {
    tensor.dispose(); // backward has shares of its own
  }
  loss.backward();
  adam.step();
  await loss.data();
  loss.dispose();
}
