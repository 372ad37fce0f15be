// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';

let entries = [], timer = null, tick = 0;

function step() {
	for (const entry of entries) {
		if (tick % entry.every != 0 || entry.busy)
			continue;

		entry.busy = true;
		Promise.resolve(entry.fn()).finally(() => { entry.busy = false; });
	}
	tick++;
}

return baseclass.extend({
	__name__: 'poll',

	add(fn, interval) {
		const every = interval == null || interval <= 0 ? L.env.pollinterval : interval;
		if (isNaN(every) || typeof fn != 'function')
			throw new TypeError('Invalid argument to LuCI.poll.add()');
		if (entries.some(entry => entry.fn === fn))
			return false;

		entries.push({ fn, every: every >>> 0, busy: false });
		if (timer == null && this.started)
			this.start();
		return true;
	},

	remove(fn) {
		if (typeof fn != 'function')
			throw new TypeError('Invalid argument to LuCI.poll.remove()');

		const before = entries.length;
		entries = entries.filter(entry => entry.fn !== fn);
		if (!entries.length)
			this.stop();
		return entries.length != before;
	},

	started: false,

	start() {
		this.started = true;
		if (this.active() || !entries.length)
			return false;

		tick = 0;
		timer = setInterval(step, 1000);
		step();
		document.dispatchEvent(new CustomEvent('poll-start'));
		return true;
	},

	stop() {
		if (!this.active())
			return false;

		clearInterval(timer);
		timer = null;
		document.dispatchEvent(new CustomEvent('poll-stop'));
		return true;
	},

	active: () => timer != null
});
