// SPDX-License-Identifier: Apache-2.0
'use strict';
'require view';
'require dom';
'require glimpse.page as page';
'require glimpse.words as words';
'require glimpse.rpc as agent';
'require glimpse.fields as fields';
'require glimpse.result as result';

/* Every measurement by hand. The household's own tests stay on the router. */

/* What the household should know before it begins. */
const NEEDS = {
	peer: _('Needs another household that takes part.'),
	exclusive_line: _('Fills the line while it runs and uses much data.')
};

/* Those that households want first. */
const ORDER = ['dnslookup', 'httpupload', 'httpdownload', 'latencyload', 'traceroute', 'ping'];

/* How far a run is. */
function progress(job) {
	const seconds = ms => Math.round((ms || 0) / 1000);

	return job.state == 'waiting' ? _('Waiting for its turn…') :
		_('Measuring: %d s of at most %d s, %s so far.').format(seconds(job.elapsed_ms), seconds(job.longest_ms), words.bytes(job.bytes || 0));
}

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	load: () => agent.capabilities().catch(error => ({ error })),

	render(found) {
		const methods = (found.methods || []).sort((a, b) => ORDER.indexOf(b.name) - ORDER.indexOf(a.name));

		if (!methods.length)
			return page.frame(_('Toolbox'), [page.failure(found.error || new Error(_('no measurement')))]);
		this.place = E('div', {}, []);
		this.choice = E('select', { class: 'cbi-input-select', size: window.innerWidth > 700 ? methods.length : null, 'aria-label': _('Measurement'),
			change: () => this.choose(methods[this.choice.selectedIndex]) }, methods.map(({ name }) => E('option', { value: name }, [words.method(name)])));
		this.choice.selectedIndex = 0;
		this.choose(methods[0]);
		return page.frame(_('Toolbox'), [
			E('p', {}, [_('Your own: not capped, and sent to nobody.')]),
			page.div('gl-tools', [this.choice, this.place])
		]);
	},

	choose(method) {
		const form = fields.options(method);
		const told = E('div', { class: 'gl-told', 'aria-live': 'polite' }, []);
		const run = page.button(_('Run'), 'action', () => this.run(method, form, told));

		dom.content(this.place, [
			E('form', { novalidate: '', submit: ev => { ev.preventDefault(); run.click(); } }, [
				E('h3', {}, [words.method(method.name)]),
				E('p', {}, [(method.needs || []).map(need => NEEDS[need] || '').join(' ')]),
				form.node, page.div('gl-actions', [run])
			]),
			told
		]);
	},

	run({ name }, form, told) {
		const options = form.read();
		const line = E('p', { class: 'spinning' }, [_('Starting…')]);

		if (!options)
			return;
		this.choice.disabled = true;
		dom.content(told, [line]);
		return agent.run({ method: name, options }).then(job => {
			told.appendChild(page.button(_('Cancel'), 'negative', () => agent.cancel(job)));
			return agent.follow(job.id, job => line.textContent = progress(job));
		}).then(job => job.record ? result.render(job.record) : page.notice('notice', [job.error || _('Cancelled.')]), page.failure).then(node => {
			dom.content(told, [node]);
			this.choice.disabled = false;
		});
	}
});
