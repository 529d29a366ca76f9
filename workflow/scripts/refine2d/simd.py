"""Vectors of numbers for Numba kernels whose sums have to stay in registers.

Numba makes vectors of loops over arrays, but holds no array in registers from one turn of a loop to the next. These
types are LLVM's vectors of `LANES` numbers, which it cuts to whatever registers the processor has. Places are counted
in the flat array, which has to be contiguous (others do not compile), and are not checked.
"""

import operator

from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic, models, overload, register_model

LANES = 16


class Vector(types.Type):
    """LANES numbers of one type."""

    def __init__(self, item: types.Type, llvm: ir.Type):
        self.llvm = ir.VectorType(llvm, LANES)
        super().__init__(name=f"Vector({item}, {LANES})")


FLOATS = Vector(types.float32, ir.FloatType())
INTS = Vector(types.int32, ir.IntType(32))
VECTOR_OF = {types.float32: FLOATS, types.int32: INTS}


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, vector):
        super().__init__(manager, vector, vector.llvm)


def _vector_of(array: types.Array) -> Vector:
    if array.layout != "C":
        raise TypingError(f"Vectors are read from and written to contiguous arrays, and this one is {array}.")
    return VECTOR_OF[array.dtype]


def _address(context, builder, array_type, array, place, of=None):
    address = builder.gep(context.make_array(array_type)(context, builder, array).data, [place])
    return builder.bitcast(address, of.as_pointer()) if of else address


@intrinsic
def load(typing, array, place):
    """The LANES numbers of an array from a place on."""
    vector = _vector_of(array)

    def generate(context, builder, signature, args):
        return builder.load(_address(context, builder, array, *args, of=vector.llvm), align=4)

    return vector(array, types.intp), generate


@intrinsic
def store(typing, array, place, value):
    """Write LANES numbers into an array, from a place on."""
    vector = _vector_of(array)

    def generate(context, builder, signature, args):
        builder.store(args[2], _address(context, builder, array, *args[:2], of=vector.llvm), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), generate


def _filled(builder, vector, number):
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.IntType(32)(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


@intrinsic
def fill(typing, number):
    """One number in all lanes."""
    vector = VECTOR_OF[number]

    def generate(context, builder, signature, args):
        return _filled(builder, vector.llvm, args[0])

    return vector(number), generate


@intrinsic
def fill_from(typing, array, place):
    """The number at a place of an array, in all lanes."""
    vector = _vector_of(array)

    def generate(context, builder, signature, args):
        return _filled(builder, vector.llvm, builder.load(_address(context, builder, array, *args)))

    return vector(array, types.intp), generate


@intrinsic
def multiply_add(typing, a, b, c):
    """``a * b + c``, rounded once where the processor can."""

    def generate(context, builder, signature, args):
        name = f"llvm.fmuladd.v{LANES}f32"
        function = ir.FunctionType(FLOATS.llvm, [FLOATS.llvm] * 3)
        return builder.call(
            builder.module.globals.get(name) or ir.Function(builder.module, function, name), args
        )

    return FLOATS(FLOATS, FLOATS, FLOATS), generate


@intrinsic
def bits(typing, floats):
    """The same bits as integers."""

    def generate(context, builder, signature, args):
        return builder.bitcast(args[0], INTS.llvm)

    return INTS(FLOATS), generate


def _elementwise(vector, make):
    @intrinsic
    def function(typing, a, b):
        def generate(context, builder, signature, args):
            return make(builder, *args)

        return vector(vector, vector), generate

    return function


def _operator(symbol, vector, make):
    function = _elementwise(vector, make)

    @overload(symbol)
    def of_vectors(a, b):
        if a is vector and b is vector:
            return lambda a, b: function(a, b)


_operator(operator.add, FLOATS, ir.IRBuilder.fadd)
_operator(operator.sub, FLOATS, ir.IRBuilder.fsub)
_operator(operator.mul, FLOATS, ir.IRBuilder.fmul)
_operator(operator.and_, INTS, ir.IRBuilder.and_)
_operator(operator.or_, INTS, ir.IRBuilder.or_)
larger = _elementwise(INTS, lambda builder, a, b: builder.select(builder.icmp_signed(">", a, b), a, b))
larger.__doc__ = "The larger integer of each lane."
