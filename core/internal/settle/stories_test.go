// SPDX-License-Identifier: MIT

package settle_test

import (
	"path/filepath"
	"testing"

	"github.com/qtforge/hotreload/core/internal/stories"
)

// realStories is where stories on a real directory are, which package engine tells.
var realStories = filepath.Join("..", "..", "testdata", "stories")

// TestStories tells the stories in testdata; testdata/README explains their commands.
// After a change of behaviour that is meant, go test ./core/internal/settle -rewrite
// writes what the machine decides now.
func TestStories(t *testing.T) {
	sentences := stories.Read(t, "testdata")
	stories.Tell(t, "testdata", sentences, func(pos string) stories.Story {
		s := newStory(pos)
		return stories.Story{Do: s.run, End: s.mustHaveEnded}
	})
	sentences.ShownIn(t, stories.Files(t, realStories, "*.txt", "*/*.txt"))
	sentences.Check(t, filepath.Join("..", "engine"))
}

func TestStoriesExplainTheirCommands(t *testing.T) {
	stories.MustExplain(t, "testdata", stories.DrivenCommand, "*.txt")
	stories.MustExplain(t, realStories, stories.PlainCommand, "*.txt", "core/*.txt")
}
