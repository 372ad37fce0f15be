// SPDX-License-Identifier: Apache-2.0
'use strict';
'require baseclass';
'require poll';
'require rpc';

/*
 * The agent's ubus object. Every method takes one object with its arguments and answers with a promise;
 * what the agent refuses, and an agent that is not there, reject it with an error that has
 * `kind` (absent, denied, unknown, refused or broken) and a `message` in words.
 */

const METHODS = {
	status: '',
	results: 'since until before limit method status own id',
	series: 'figure range target points',
	run: 'method options schedule',
	run_status: 'id',
	cancel: 'id',
	capabilities: 'method',
	schedules: '',
	budget: '',
	enrol: 'token controller fingerprint',
	diagnose: 'kind client',
	survey_get: '',
	survey_answer: 'answers share',
	export: 'format cursor',
	erase: 'confirm'
};

function failed(kind, message) {
	return Object.assign(new Error(message), { kind });
}

/* LuCI tells the code of a failed call only in the text of its error. */
function explained(error) {
	const text = String(error && error.message || error);

	switch (+(text.match(/(?:code|error) (-?\d+)/) || [])[1]) {
	case 4: case 10: case -32000:
		return failed('absent', _('The measuring service does not run on this router.'));
	case 6: case -32002:
		return failed('denied', _('Your login may not do this.'));
	case 2: case 3: case -32602: case -32601:
		return failed('unknown', _('The measuring service is of another version than this page.'));
	default:
		return failed('broken', _('The router did not answer: %s').format(text));
	}
}

const calls = {};

Object.keys(METHODS).forEach(method => {
	const params = METHODS[method].split(' ').filter(Boolean);
	const call = rpc.declare({ object: 'glimpse', method, params, reject: true });

	calls[method] = (args = {}) => call(...params.map(name => args[name])).catch(error => {
		throw explained(error);
	}).then(answer => {
		/* Of an empty answer LuCI gives the status, 0. */
		answer = answer === 0 ? {} : answer;
		if (!L.isObject(answer))
			throw failed('broken', _('The measuring service gave no answer.'));
		if (answer.error != null && method != 'run_status')
			throw failed('refused', String(answer.error));
		return answer;
	});
});

/*
 * Watches the job `id`: `seen(status)` is called about every second, the promise is kept with the last
 * status once the job is done or cancelled. Three failed questions in a row break it.
 */
calls.follow = (id, seen) => new Promise((resolve, reject) => {
	let misses = 0;
	const ask = () => calls.run_status({ id }).then(status => {
		misses = 0;
		if (seen)
			seen(status);
		if (status.state == 'done' || status.state == 'cancelled') {
			poll.remove(ask);
			resolve(status);
		}
	}).catch(error => {
		if (++misses == 3) {
			poll.remove(ask);
			reject(error);
		}
	});

	poll.add(ask, 1);
	ask();
});

return baseclass.extend(calls);
