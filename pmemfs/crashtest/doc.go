// Package crashtest tries every state that a power cut may leave of a filesystem, as far as that can be paid for.
//
// # How
//
// A Medium listens to the stores, flushes and fences of a region while the real engine runs on it. It knows, at every
// moment, what is certainly on the medium and what else may be: of each line that was stored to and not yet fenced any
// version since, also torn at words. At each fence, and behind each operation, an Explorer chooses among those states:
//
//   - all of them, when few lines matter;
//   - otherwise none, all, each unit alone, each pair, all but one, a large copy less its first, a middle or its last line,
//     and random subsets, some with torn or older lines. A unit is what one store or copy put into neighbouring lines.
//
// A line matters unless recovery itself stores whatever differs in it, which is tried out at each point; such lines take
// part in the random subsets only.
//
// # What must hold
//
// Each distinct image is opened by the real recovery. Then the independent check finds nothing; the whole tree with all
// attributes and the free space equals the state after some prefix of the operations that holds every acknowledged one;
// and the filesystem works: files and directories can be made and used, everything can be removed, and all space is free again.
//
// States are dumps of the live filesystem, each of which was compared with an independent model.
//
// Everything random comes from one seed, so that a failure can be replayed.
package crashtest
