//! Random programs of a writer, a rotation and a tail that is killed at any moment, against a model of what must come out.
