//! The shapes of the events of a body.

use super::shape::EventShape;
use super::simd::{Simd, SimdTask};
use super::strings::Strings;
use super::text::Text;

/// The most shapes that are known at a time.
const SHAPES_MAX: usize = 4;

/// The last shapes of events that were read token by token.
#[derive(Default)]
pub(super) struct Shapes {
    shapes: Vec<EventShape>,
    /// The shape of the last event.
    current: usize,
    /// Whether the last event had the members of the current shape in another order.
    is_shuffled: bool,
}

impl Shapes {
    /// Reads the event at `at` if it has a known shape, and returns its end. The strings are meaningful only then.
    #[inline(always)]
    pub(super) fn read<S: Simd>(&mut self, simd: S, text: Text<'_>, at: usize, strings: &mut Strings) -> Option<usize> {
        if !self.is_shuffled
            && let Some(end) = self.shapes.get(self.current)?.read(simd, text, at, strings)
        {
            return Some(end);
        }
        simd.run(OtherEvent { shapes: self, text, at, strings })
    }

    /// The place of a shape that is to be learned. It takes the place of the oldest one if there are too many.
    pub(super) fn next(&mut self) -> &mut EventShape {
        self.is_shuffled = false;
        // A shape that could not be learned has no use.
        let unknown = self.shapes.iter().position(|shape| !shape.is_known());
        self.current = match unknown {
            Some(unknown) => unknown,
            None if self.shapes.len() < SHAPES_MAX => {
                self.shapes.push(EventShape::default());
                self.shapes.len() - 1
            }
            None => (self.current + 1) % SHAPES_MAX,
        };
        &mut self.shapes[self.current]
    }

    /// The number of shapes that have been learned.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shapes.len()
    }

    /// The shape that was learned last.
    pub(super) fn current(&mut self) -> Option<&mut EventShape> {
        self.shapes.get_mut(self.current)
    }
}

/// Reads an event that has the members of the current shape in any order, or another shape. The result is the end of
/// the event.
struct OtherEvent<'t, 's> {
    shapes: &'s mut Shapes,
    text: Text<'t>,
    at: usize,
    strings: &'s mut Strings,
}

impl SimdTask for OtherEvent<'_, '_> {
    type Output = Option<usize>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Option<usize> {
        let Self { shapes: Shapes { shapes, current, is_shuffled }, text, at, strings } = self;
        *strings = Strings::default();
        if let Some(event) = shapes.get(*current)?.read_any_order(simd, text, at, strings) {
            *is_shuffled = event.is_shuffled;
            return Some(event.end);
        }
        for (number, shape) in shapes.iter().enumerate().filter(|(number, _)| number != current || *is_shuffled) {
            *strings = Strings::default();
            if let Some(end) = shape.read(simd, text, at, strings) {
                (*current, *is_shuffled) = (number, false);
                return Some(end);
            }
        }
        None
    }
}
