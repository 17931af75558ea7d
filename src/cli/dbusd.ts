// First of all and alone: it may begin this process anew, and an import that is not awaited here
// would have the whole program read twice.
import "./small-heap.ts";

const { main } = await import("./run-dbusd.ts");
await main(process.argv.slice(2));
