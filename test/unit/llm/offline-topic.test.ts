import { describe, expect, it } from 'vitest';
import { topicOf } from '../../../src/testing/offline-report.js';

describe('topic of a question', () => {
  it.each([
    [
      'Read the files in the folder. What do they say about crane 2, and which is the longest?',
      'crane 2',
    ],
    ['Which file mentions crane 2?', 'crane 2'],
    ['Which notes contain the word "hydraulic hose"?', 'hydraulic hose'],
    ['Tell me about the coast guard and the ferry', 'coast guard'],
    ['Where is the life jacket?', 'life jacket'],
    ['What are these files about?', undefined],
    ['Tell me about the files', undefined],
    ['Tell me about them.', undefined],
    ['Which files are in the folder?', undefined],
  ])('%s → %s', (question, topic) => {
    expect(topicOf(question)).toBe(topic);
  });
});
