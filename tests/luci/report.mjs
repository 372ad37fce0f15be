// SPDX-License-Identifier: Apache-2.0
//
// Checks by name, as TAP: `ok`, `not ok` with what was seen, and `ok … # SKIP not applicable here` for those that need what
// only the stand-in can do.

export class Report {
	constructor() {
		this.passed = 0;
		this.failed = [];
		this.skipped = [];
		this.begun = Date.now();
	}

	/* Runs a check; it fails by throwing. */
	async check(name, run) {
		const begun = Date.now();
		try {
			await run();
			this.passed++;
			console.log(`ok ${this.number()} - ${name} # ${Date.now() - begun} ms`);
			return true;
		}
		catch (error) {
			this.failed.push(name);
			const words = String(error?.message ?? error).replace(/\u001b\[\d+m/g, '').trim().split('\n').slice(0, 12);
			console.log(`not ok ${this.number()} - ${name}\n${words.map(line => `  # ${line}`).join('\n')}`);
			return false;
		}
	}

	skip(name) {
		this.skipped.push(name);
		console.log(`ok ${this.number()} - ${name} # SKIP not applicable here`);
	}

	number() {
		return this.passed + this.failed.length + this.skipped.length;
	}

	end() {
		console.log(`1..${this.number()}`);
		console.log(`# ${this.passed} passed, ${this.failed.length} failed, ${this.skipped.length} not applicable here; ${Math.round((Date.now() - this.begun) / 1000)} s`);
		for (const name of this.failed)
			console.log(`# failed: ${name}`);
		return this.failed.length ? 1 : 0;
	}
}

export function must(holds, words) {
	if (!holds)
		throw new Error(words);
}

export function equal(is, wanted, what) {
	const [ a, b ] = [ JSON.stringify(is), JSON.stringify(wanted) ];
	must(a === b, `${what}: ${a}, wanted ${b}`);
}
