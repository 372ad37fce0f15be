// SPDX-License-Identifier: Apache-2.0
'use strict';
'require view';
'require dom';
'require fs';
'require glimpse.page as page';
'require glimpse.words as words';
'require glimpse.rpc as agent';
'require glimpse.findings as findings';

/* Three buttons, a chain of steps that tick off, a finding, and a report for the provider. */

const KINDS = {
	speed: [_('Speed test'), _('Download, upload and delay. Fills the line.')],
	down: [_('Internet does not work'), _('Looks for where it breaks.')],
	slow: [_('Internet is slow'), _('Looks for what slows it down. Fills the line.')]
};

/* States of steps that are no verdict. */
const STATES = { waiting: _('to come'), running: _('trying…'), skipped: _('skipped') };

/* `bad` is what the other pages call poor. */
const mark = (state, text) => words.mark(state == 'bad' ? 'poor' : state, text || STATES[state]);

/*
 * The address of the device that asks, which LuCI does not tell its pages: its own program for that question (of
 * luci-mod-network) does. Without it, the step on the device's Wi-Fi is skipped.
 */
const asking = () => L.resolveDefault(fs.exec_direct('/usr/libexec/luci-peeraddr', null, 'json'), {}).then(told => told.remote_addr);

/* Puts a text into the clipboard, which browsers open only to pages by https. */
function copy(text) {
	if (navigator.clipboard && window.isSecureContext)
		return navigator.clipboard.writeText(text);

	const area = E('textarea', {}, [text]);
	document.body.appendChild(area);
	area.select();

	const done = document.execCommand('copy');
	area.remove();
	return done ? Promise.resolve() : Promise.reject();
}

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	/* Who may begin nothing is not asked for. */
	load: () => page.mayWrite() && asking(),

	render(client) {
		const wanted = location.hash.slice(1);

		this.place = E('div', { class: 'gl-told' }, []);
		this.buttons = Object.keys(KINDS).map(kind => {
			const button = page.button('', 'neutral', () => this.begin(kind, client));
			dom.content(button, [E('b', {}, [KINDS[kind][0]]), KINDS[kind][1]]);
			return button;
		});
		/* A check sends packets: only a link of this application may begin one. */
		if (KINDS[wanted] && page.mayWrite() && document.referrer.startsWith(location.origin + '/'))
			window.setTimeout(() => this.begin(wanted, client), 0);
		return page.frame(_('Trouble-shooter'), [page.div('gl-choice', this.buttons), this.place]);
	},

	begin(kind, client) {
		const line = E('span', { class: 'spinning', role: 'status' }, [_('Starting…')]);
		const work = page.div('gl-actions', [line]);
		const steps = E('ol', { class: 'gl-steps' }, []);
		const end = E('div', {}, []);
		const lock = on => this.buttons.forEach(button => button.disabled = on);

		history.replaceState(null, '', location.pathname);
		dom.content(this.place, [end, E('h3', {}, [KINDS[kind][0]]), work, steps]);
		lock(true);
		return agent.diagnose({ kind, client }).then(job => {
			work.appendChild(page.button(_('Cancel'), 'negative', () => agent.cancel(job)));
			return agent.follow(job.id, job => {
				this.tick(steps, job.steps || []);
				line.textContent = _('This takes %s at most.').format(words.span((job.longest_ms || 0) / 1000));
			});
		}).then(
			job => dom.content(end, [job.finding ? this.finding(job.finding, job.report) : page.notice('notice', [job.error || _('Cancelled.')])]),
			error => dom.content(end, [page.failure(error)])
		).then(() => {
			work.remove();
			lock(!page.mayWrite());
			end.scrollIntoView({ block: 'nearest' });
		});
	},

	/* Each step has its place from the start; only what has changed is drawn anew. */
	tick(list, steps) {
		steps.forEach((step, i) => {
			const row = list.childNodes[i] || list.appendChild(E('li', {}, []));

			row.className = 'gl-' + step.state;
			page.update(row, step, () => [mark(step.state), E('b', {}, [findings.step(step.code)]), E('span', {}, [findings.seen(step)])]);
		});
	},

	finding(found, report) {
		const told = E('span', { role: 'status' }, []);
		const { heading, advice } = findings;
		const block = (there, title, children) => there ? [E('h4', {}, [title]), ...children()] : [];

		return page.div('', [
			E('h3', { class: 'gl-answer' }, [mark(found.state, heading(found))]),
			...block(advice(found), _('What you can do'), () => [E('p', {}, [advice(found)])]),
			...block(found.others.length, _('Also seen'), () => [E('ul', {}, found.others.map(other => E('li', {}, [heading(other), ' ', advice(other)])))]),
			...block(report, _('What to tell your provider'), () => [
				E('pre', { tabindex: 0 }, [report]),
				page.div('gl-actions', [page.button(_('Copy'), '', () => copy(report).then(
					() => told.textContent = _('Copied.'), () => told.textContent = _('Please copy it by hand.'))), told])
			])
		]);
	}
});
