# mypy: allow-untyped-defs, disable-error-code="assignment"
"""3x3 convolution of a token grid. A program walks down the rows of a strip of columns.

Each row of the input adds to three rows of the output, which stay in registers until the row below them has been read.
So a row goes through memory once, and its shifted views come from the cache. The gradient of the input is the
convolution with the weights rotated by half a turn. On the same walk, the input times the output gradients yields the
gradient of the weights.

Grid (blocks of channels, strips of columns times runs of rows, images).
"""

import triton
import triton.language as tl

from dig_models.kernels.launch import fast_launch

GRID_SIZES = ("rows", "columns", "order", "run_rows")
"""Arguments that Triton does not specialize on: a value of 1 or a multiple of 16 compiles no binary of its own."""
NUM_SUMS = 11
"""Sums over the tokens of a program, in this order: the gradients of nine weights, of bias and of gate."""
SUMS = tl.constexpr(NUM_SUMS)
TAPS = tl.constexpr(9)


# C columns of a strip, D channels of a block
@triton.jit
def channels_of_block(block, CHANNELS: tl.constexpr):
    """Returns the channels of a block, (1, D)."""
    return (block * CHANNELS + tl.arange(0, CHANNELS))[None, :]


@triton.jit
def run_of_strip(index, rows, columns, run_rows, COLUMNS: tl.constexpr):
    """Returns the first column of run `index`, its first row, and the row after its last. Runs count strip by strip."""
    strips = tl.cdiv(columns, COLUMNS)
    first = index // strips * run_rows
    return index % strips * COLUMNS, first, tl.minimum(first + run_rows, rows)


@triton.jit
def tile(row, column_C1, channel_1D, first, end, columns, WIDTH: tl.constexpr):
    """Returns the offsets of a row's tokens within an image (C, D), and the mask for rows `first` to `end` - 1."""
    exists_CD = (row >= first) & (row < end) & (column_C1 >= 0) & (column_C1 < columns) & (channel_1D < WIDTH)
    return (row * columns + column_C1) * WIDTH + channel_1D, exists_CD


@triton.jit
def load(pointer, tile_CD):
    """Loads a tile in fp32, with zeros outside of the mask."""
    offset_CD, exists_CD = tile_CD
    return tl.load(pointer + offset_CD, mask=exists_CD, other=0.0).to(tl.float32)


@triton.jit
def store(pointer, tile_CD, x_CD):
    offset_CD, exists_CD = tile_CD
    tl.store(pointer + offset_CD, x_CD.to(pointer.dtype.element_ty), mask=exists_CD)


@triton.jit
def load_channels(pointer, channel_1D, WIDTH: tl.constexpr):
    """Loads one value per channel, (1, D), in fp32."""
    return tl.load(pointer + channel_1D, mask=channel_1D < WIDTH, other=0.0).to(tl.float32)


@triton.jit
def tap(row, column, order):
    """Returns which of the nine weights applies to the neighbour in `row` and `column`, 0 to 2, in this scan order."""
    index = tl.where(order >= 2, column * 3 + row, row * 3 + column)
    return tl.where(order % 2 == 1, TAPS - 1 - index, index)


@triton.jit
def load_taps(weight, row, channel_1D, order, WIDTH: tl.constexpr):
    """Loads the three weights (1, D) that apply to the row above (0), the same row (1) or the row below (2)."""
    weight += channel_1D * TAPS
    exists_1D = channel_1D < WIDTH
    left_1D = tl.load(weight + tap(row, 0, order), mask=exists_1D, other=0.0).to(tl.float32)
    centre_1D = tl.load(weight + tap(row, 1, order), mask=exists_1D, other=0.0).to(tl.float32)
    right_1D = tl.load(weight + tap(row, 2, order), mask=exists_1D, other=0.0).to(tl.float32)
    return left_1D, centre_1D, right_1D


@triton.jit
def weigh(so_far, taps, tokens):
    """Adds to a row of the output the contribution of a row of tokens: left, centre and right neighbours."""
    return so_far + taps[0] * tokens[0] + taps[1] * tokens[1] + taps[2] * tokens[2]


@triton.jit
def gated(x, gate_1D, y, tile_CD):
    """Loads r = x + gate * y in fp32. r itself never goes through memory."""
    return load(x, tile_CD) + gate_1D * load(y, tile_CD)


@triton.jit
def load_row(x, y, row, limit, column_C1, channel_1D, columns, WIDTH: tl.constexpr, ABREAST: tl.constexpr):
    """Loads x and y of the columns and their neighbours, left to right, in their own dtype. Zero from row `limit`."""
    loaded = ()
    for index in tl.static_range(ABREAST + 2):
        offset_CD, exists_CD = tile(row, column_C1 + index - 1, channel_1D, 0, limit, columns, WIDTH)
        loaded += (
            tl.load(x + offset_CD, mask=exists_CD, other=0.0),
            tl.load(y + offset_CD, mask=exists_CD, other=0.0),
        )
    return loaded


@triton.jit
def convolve(
    x,
    gate,
    y,
    weight,
    bias,
    z,
    channel_1D,
    start,
    first,
    end,
    rows,
    columns,
    order,
    WIDTH: tl.constexpr,
    COLUMNS: tl.constexpr,
    ABREAST: tl.constexpr,
    CHANNELS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Computes z of an image for rows `first` to `end` - 1, COLUMNS columns from `start` on, and these channels.

    The pointers other than weight and bias are those of the image. A thread computes ABREAST adjacent columns: it loads
    these and two neighbours, instead of three values per column. With one stage it keeps the next row in registers;
    with more, the compiler prefetches rows to shared memory.
    """
    column_C1 = start + tl.arange(0, COLUMNS // ABREAST)[:, None] * ABREAST
    gate_1D = load_channels(gate, channel_1D, WIDTH)
    bias_1D = load_channels(bias, channel_1D, WIDTH)
    above_taps = load_taps(weight, 0, channel_1D, order, WIDTH)
    beside_taps = load_taps(weight, 1, channel_1D, order, WIDTH)
    below_taps = load_taps(weight, 2, channel_1D, order, WIDTH)

    row_above, this_row = (), ()
    for _ in tl.static_range(ABREAST):
        row_above += (tl.zeros((COLUMNS // ABREAST, CHANNELS), tl.float32),)
        this_row += (tl.zeros((COLUMNS // ABREAST, CHANNELS), tl.float32),)
    limit = tl.minimum(end + 1, rows)
    ahead = load_row(x, y, first - 1, limit, column_C1, channel_1D, columns, WIDTH, ABREAST)
    for row in tl.range(first - 1, end + 1, num_stages=STAGES):
        if STAGES == 1:
            loaded = ahead
            ahead = load_row(x, y, row + 1, limit, column_C1, channel_1D, columns, WIDTH, ABREAST)
        else:
            loaded = load_row(x, y, row, limit, column_C1, channel_1D, columns, WIDTH, ABREAST)
        tokens = ()
        for index in tl.static_range(ABREAST + 2):
            x_CD, y_CD = loaded[2 * index], loaded[2 * index + 1]
            tokens += (x_CD.to(tl.float32) + gate_1D * y_CD.to(tl.float32),)
        row_before, row_above, row_so_far, this_row = row_above, (), this_row, ()
        for index in tl.static_range(ABREAST):
            near = tokens[index], tokens[index + 1], tokens[index + 2]
            above = tile(row - 1, column_C1 + index, channel_1D, first, end, columns, WIDTH)
            store(z, above, weigh(row_before[index], below_taps, near))
            row_above += (weigh(row_so_far[index], beside_taps, near),)
            this_row += (weigh(bias_1D, above_taps, near),)


@fast_launch
@triton.jit(do_not_specialize=GRID_SIZES)
def residual_conv_kernel(
    x,
    gate,
    y,
    weight,
    bias,
    z,
    gate_stride,
    rows,
    columns,
    order,
    run_rows,
    WIDTH: tl.constexpr,
    COLUMNS: tl.constexpr,
    ABREAST: tl.constexpr,
    CHANNELS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Writes z (B, T, D)."""
    batch = tl.program_id(2).to(tl.int64)
    image = batch * rows * columns * WIDTH
    start, first, end = run_of_strip(tl.program_id(1), rows, columns, run_rows, COLUMNS)
    convolve(
        x + image,
        gate + batch * gate_stride,
        y + image,
        weight,
        bias,
        z + image,
        channels_of_block(tl.program_id(0), CHANNELS),
        start,
        first,
        end,
        rows,
        columns,
        order,
        WIDTH,
        COLUMNS,
        ABREAST,
        CHANNELS,
        STAGES,
    )


@fast_launch
@triton.jit(do_not_specialize=GRID_SIZES)
def residual_conv_gradient_kernel(
    z_gradient,
    x,
    gate,
    y,
    weight,
    x_gradient,
    y_gradient,
    partials,
    gate_stride,
    rows,
    columns,
    order,
    run_rows,
    WIDTH: tl.constexpr,
    COLUMNS: tl.constexpr,
    CHANNELS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Writes the gradients of x and y, and the partial sums of those of weight, bias and gate, (B, programs, 11, D)."""
    batch = tl.program_id(2).to(tl.int64)
    image = batch * rows * columns * WIDTH
    z_gradient += image
    x += image
    y += image
    x_gradient += image
    y_gradient += image
    channel_1D = channels_of_block(tl.program_id(0), CHANNELS)
    start, first, end = run_of_strip(tl.program_id(1), rows, columns, run_rows, COLUMNS)
    column_C1 = start + tl.arange(0, COLUMNS)[:, None]
    gate_1D = load_channels(gate + batch * gate_stride, channel_1D, WIDTH)
    # Two orders of a pair differ by half a turn.
    order = order ^ 1
    above_taps = load_taps(weight, 0, channel_1D, order, WIDTH)
    beside_taps = load_taps(weight, 1, channel_1D, order, WIDTH)
    below_taps = load_taps(weight, 2, channel_1D, order, WIDTH)

    zeros_CD = tl.zeros((COLUMNS, CHANNELS), tl.float32)
    above_sums = zeros_CD, zeros_CD, zeros_CD
    beside_sums = zeros_CD, zeros_CD, zeros_CD
    below_sums = zeros_CD, zeros_CD, zeros_CD
    bias_sum_CD, gate_sum_CD = zeros_CD, zeros_CD
    # For the row above the one whose output gradients are being read, and for that row: the input gradient so far, the
    # input, and y. Separate zeros: Triton treats a loop variable that starts as another one's value as constant.
    row_above_CD, this_row_CD = zeros_CD, zeros_CD
    r_above_CD, r_CD = tl.zeros((COLUMNS, CHANNELS), tl.float32), tl.zeros((COLUMNS, CHANNELS), tl.float32)
    y_above_CD, y_CD = tl.zeros((COLUMNS, CHANNELS), tl.float32), tl.zeros((COLUMNS, CHANNELS), tl.float32)
    for row in tl.range(first - 1, end + 1, num_stages=STAGES):
        left_CD = load(z_gradient, tile(row, column_C1 - 1, channel_1D, 0, rows, columns, WIDTH))
        centre_CD = load(z_gradient, tile(row, column_C1, channel_1D, 0, rows, columns, WIDTH))
        right_CD = load(z_gradient, tile(row, column_C1 + 1, channel_1D, 0, rows, columns, WIDTH))
        gradients = left_CD, centre_CD, right_CD
        below = tile(row + 1, column_C1, channel_1D, first, end, columns, WIDTH)
        y_below_CD = load(y, below)
        r_below_CD = gated(x, gate_1D, y, below)

        row_above_CD = weigh(row_above_CD, below_taps, gradients)
        above = tile(row - 1, column_C1, channel_1D, first, end, columns, WIDTH)
        store(x_gradient, above, row_above_CD)
        store(y_gradient, above, row_above_CD * gate_1D)
        gate_sum_CD += row_above_CD * y_above_CD
        bias_sum_CD += tl.where((row >= first) & (row < end), centre_CD, 0.0)
        below_sums = accumulate(below_sums, r_above_CD, gradients)
        beside_sums = accumulate(beside_sums, r_CD, gradients)
        above_sums = accumulate(above_sums, r_below_CD, gradients)

        row_above_CD = weigh(this_row_CD, beside_taps, gradients)
        this_row_CD = weigh(0.0, above_taps, gradients)
        r_above_CD, r_CD = r_CD, r_below_CD
        y_above_CD, y_CD = y_CD, y_below_CD

    partials += (batch * tl.num_programs(1) + tl.program_id(1)) * SUMS * WIDTH + channel_1D
    store_sums(partials, above_sums, 0, channel_1D, order, WIDTH)
    store_sums(partials, beside_sums, 1, channel_1D, order, WIDTH)
    store_sums(partials, below_sums, 2, channel_1D, order, WIDTH)
    store_sum(partials, bias_sum_CD, TAPS, channel_1D, WIDTH)
    store_sum(partials, gate_sum_CD, TAPS + 1, channel_1D, WIDTH)


@triton.jit
def accumulate(sums, r_CD, gradients):
    return sums[0] + r_CD * gradients[0], sums[1] + r_CD * gradients[1], sums[2] + r_CD * gradients[2]


@triton.jit
def store_sums(partials, sums, row, channel_1D, order, WIDTH: tl.constexpr):
    """Stores the three sums of the weights that load_taps loads."""
    store_sum(partials, sums[0], tap(row, 0, order), channel_1D, WIDTH)
    store_sum(partials, sums[1], tap(row, 1, order), channel_1D, WIDTH)
    store_sum(partials, sums[2], tap(row, 2, order), channel_1D, WIDTH)


@triton.jit
def store_sum(partials, sum_CD, index, channel_1D, WIDTH: tl.constexpr):
    tl.store(partials + index * WIDTH, tl.sum(sum_CD, axis=0)[None, :], mask=channel_1D < WIDTH)
