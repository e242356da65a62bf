//! Sizes and boxes, by the examples of the language and by properties.
